"""What ODBC's catalog functions give through pyodbc: argument 1 is the connection string."""
import sys

import pyodbc

cursor = pyodbc.connect(sys.argv[1], autocommit=True).cursor()


def show(what, rows, *places):
    print(what + ":", "; ".join(" ".join(str(row[at]) for at in places) for row in rows))


show("catalogs", cursor.tables(catalog="%", schema="", table=""), 0)
show("kinds", cursor.tables(catalog="", schema="", table="", tableType="%"), 3)
show("views", cursor.tables(table="refresh\\_data%", tableType="VIEW"), 0, 1, 2, 3)
show("tables", cursor.tables(tableType="TABLE"), 1, 2)
show("columns", cursor.columns(table="refresh_dataflow"), 3, 4, 5, 6, 7, 16)
show("times", cursor.columns(catalog="Sales", schema="dbo", table="refresh_dataflow", column="%Time"), 3, 4, 14)
show("model", cursor.columns(schema="Orders", table="Orders"), 3, 5, 17)
show("procedures", cursor.procedures(procedure="cancel%"), 2, 7)
show("parameters", list(cursor.procedureColumns("get_dataflows")), 3, 4, 6)
show("keys", list(cursor.primaryKeys("endpoints")) + list(cursor.foreignKeys("endpoints")) + list(cursor.rowIdColumns("endpoints")) + list(cursor.rowVerColumns("endpoints")))
show("statistics", cursor.statistics("endpoints"), 2, 6)
show("type", cursor.getTypeInfo(pyodbc.SQL_VARCHAR), 0, 1, 2, 5)
print("types:", len(list(cursor.getTypeInfo())))
show("parameter", cursor.execute("SELECT TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = ? AND (TABLE_SCHEMA = ? OR ? IS NULL)", "endpoints", None, None), 0)
show("call", cursor.execute("{call sp_columns(?)}", "endpoints"), 3)
