#!/usr/bin/env python3
"""Writes what every column of AdventureWorksDW must come to, for tests/testdata/adventureworks/figures.json.

    scripts/adventureworks_figures.py ../shared/data/adventureworks-dw > tests/testdata/adventureworks/figures.json

The figures come from the CSV files and the table definitions of the install script alone, by Python's standard library, so that they can
judge what Freshet makes of the same files. They were written once; run it again only when the data changes.

How a field is read: an empty field is null, in every type, as the install script's BULK INSERT has it; a text field may stand in double
quotes, which are not part of it. Lengths are in characters, of binary values in bytes. Texts are ordered by their characters' code points.
Minimum and maximum of binary values are given by their SHA-256. Numbers are written as text: sums are exact, except those of float columns, which
are correctly rounded and depend on no order.
"""

import csv
import datetime
import decimal
import hashlib
import json
import math
import pathlib
import re
import sys

# The install script's types, and what a model has for them.
TYPES = {
    "tinyint": "int64",
    "smallint": "int64",
    "int": "int64",
    "float": "double",
    "real": "double",
    "money": "decimal",
    "date": "dateTime",
    "datetime": "dateTime",
    "char": "string",
    "nchar": "string",
    "varchar": "string",
    "nvarchar": "string",
    "varbinary": "binary",
}

READ = {
    "int64": int,
    "double": float,
    "decimal": decimal.Decimal,
    "dateTime": datetime.datetime.fromisoformat,
    "string": str,
    "binary": bytes.fromhex,
}


def columns(script, table):
    """Returns the names and model types of a table's columns."""
    body = re.search(rf"CREATE TABLE \[dbo\]\.\[{table}\]\s*\((.*?)\n\)", script, re.S)
    if body is None:
        sys.exit(f"cannot find the definition of {table} in the install script")
    found = re.findall(r"^\s*\[(\w+)\]\s+\[(\w+)\]", body.group(1), re.M)
    return [(name, TYPES[kind.lower()]) for name, kind in found]


def show(value):
    """Returns a value as the figures hold it."""
    if isinstance(value, bytes):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return f"{value:.4f}"
    return str(value)


def figures(kind, fields):
    """Returns what the fields of a column come to."""
    values = [READ[kind](field) for field in fields if field != ""]
    result = {
        "type": kind,
        "nulls": len(fields) - len(values),
        "distinct": len(set(values)),
        "min": show(min(values)) if values else None,
        "max": show(max(values)) if values else None,
    }
    if kind == "double":
        result["sum"] = repr(math.fsum(values)) if values else None
    elif kind in ("int64", "decimal"):
        result["sum"] = show(sum(values)) if values else None
    elif kind in ("string", "binary"):
        result["length"] = sum(map(len, values))
    return result


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    csv.field_size_limit(1 << 24)
    script = (folder / "instawdbdw.sql").read_text(encoding="utf-8")
    result = {}
    for path in sorted(folder.glob("*.csv")):
        kinds = columns(script, path.stem)
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="|"))
        if any(len(row) != len(kinds) for row in rows):
            sys.exit(f"cannot read {path}: a row has not {len(kinds)} fields")
        result[path.stem] = {
            "rows": len(rows),
            "columns": {name: figures(kind, [row[i] for row in rows]) for i, (name, kind) in enumerate(kinds)},
        }
    json.dump(result, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
