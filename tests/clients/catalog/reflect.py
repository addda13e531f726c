"""What SQLAlchemy finds, by which pandas and others read: argument 1 is the URL."""
import sys
import warnings

import sqlalchemy

warnings.simplefilter("ignore")  # about names of types
engine = sqlalchemy.create_engine(sys.argv[1])
found = sqlalchemy.inspect(engine)
print("schemas:", *found.get_schema_names())
print("tables:", *found.get_table_names("Orders"))
print("has:", found.has_table("endpoints"), found.has_table("nothing"))
print("columns:", *(column["name"] + " " + str(column["type"]).split(" ")[0] for column in found.get_columns("refresh_dataflow")))
print("keys:", found.get_pk_constraint("endpoints")["name"], found.get_foreign_keys("endpoints"), found.get_indexes("endpoints"))
table = sqlalchemy.Table("endpoints", sqlalchemy.MetaData(), autoload_with=engine)
with engine.connect() as connection:
    rows = connection.execute(sqlalchemy.select(table.c.Name).where(table.c.Name.like("cancel%")).order_by(table.c.Name))
    print("rows:", *(row[0] for row in rows))
