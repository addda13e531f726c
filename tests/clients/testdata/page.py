# Runs statements by pyodbc and by pymssql, unmodified, against the server that the first argument describes, and prints the columns and rows of each as JSON.
import json
import sys

import pymssql
import pyodbc

bench = json.loads(sys.argv[1])


def told(cursor):
    return {
        "columns": [[c[0], getattr(c[1], "__name__", str(c[1])), c[3]] for c in cursor.description],
        "rows": [[None if v is None else str(v) for v in row] for row in cursor.fetchall()],
    }


def run(connection):
    results = []
    for text in bench["statements"]:
        cursor = connection.cursor()
        cursor.execute(text)
        results.append(told(cursor))
    connection.close()
    return results


print(json.dumps({
    "pyodbc": run(pyodbc.connect(f"DRIVER=FreeTDS;SERVER={bench['host']};PORT={bench['port']};DATABASE={bench['database']};TDS_Version=7.4;ClientCharset=UTF-8",
                                 user=bench["user"], password=bench["password"], autocommit=True)),
    "pymssql": run(pymssql.connect(server=bench["host"], port=str(bench["port"]), user=bench["user"], password=bench["password"], database=bench["database"], autocommit=True)),
}))
