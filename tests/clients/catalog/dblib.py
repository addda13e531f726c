"""What the catalog gives through pymssql: arguments are host, port, user and password."""
import sys

import pymssql

host, port, user, password = sys.argv[1:]
cursor = pymssql.connect(server=host, port=port, user=user, password=password, database="Sales", autocommit=True).cursor()


def show(what):
    print(what + ":", "; ".join(" ".join(str(value) for value in row) for row in cursor))


cursor.execute("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE %s OR TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME", ("endpoint%",))
show("tables")
cursor.execute("SELECT c.name, t.name FROM sys.columns c JOIN sys.views v ON v.object_id = c.object_id JOIN sys.types t ON t.user_type_id = c.user_type_id WHERE v.name = %s ORDER BY c.column_id", ("endpoints",))
show("columns")
cursor.callproc("sp_tables", ("endpoints",))
show("procedure")
