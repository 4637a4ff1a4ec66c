#!/usr/bin/env bash
# duckdb 2.0.1, polars 2.1.0 and chdb 4.4.0 (PyPI; ClickHouse 26.9): the key `a` of {"a":1,"a":2}.
# One would expect one answer, or an error everywhere: RFC 8259 leaves it open. duckdb's ->> and ClickHouse's JSONExtractInt take the first value, polars'
# json_path_match the last, and ClickHouse's type JSON refuses the document, so that two ways of one engine differ.
# Seen: duckdb 1, clickhouse 1, polars 2, clickhouse JSON refused
# Source: this run; RFC 8259, section 4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q duckdb==2.0.1 polars==2.1.0 chdb==4.4.0
cat > try.py <<'PYTHON'
import chdb
import duckdb
import polars as pl

document = '{"a":1,"a":2}'
print("duckdb", duckdb.sql(f"select '{document}'::json ->> 'a'").fetchall()[0][0])
print("clickhouse", str(chdb.query(f"select JSONExtractInt('{document}', 'a')", "TSVRaw")).strip())
print("polars", pl.Series([document]).str.json_path_match("$.a")[0])
try:
    chdb.query(f"select '{document}'::JSON", "TSVRaw")
    print("clickhouse JSON taken")
except Exception as error:
    print("clickhouse JSON", "refused" if "Duplicate path" in str(error) else error)
PYTHON
env/bin/python try.py | tee seen
printf 'duckdb 1\nclickhouse 1\npolars 2\nclickhouse JSON refused\n' | cmp - seen
echo "as described"
