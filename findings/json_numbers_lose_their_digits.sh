#!/usr/bin/env bash
# duckdb 2.0.1 and polars 2.1.0 (PyPI): the text of a number in a JSON document, by ->> and json_path_match.
# Both keep the document as a text and are asked for a text, yet the number goes through a double: 1.10 is 1.1, 1E2 is 100.0. duckdb makes an exception
# of integers beyond 64 bits and of what is beyond a double, whose digits stay; polars does not. An id with `.0` behind it, as
# spreadsheets and old JSON writers make them, changes its last digit in both, and not to the same one.
# Seen: of 12345678901234567.0 duckdb makes 12345678901234568.0 and polars 1.2345678901234566e+16; the other answers stand at the end.
# Source: this run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q duckdb==2.0.1 polars==2.1.0
cat > try.py <<'PYTHON'
import duckdb
import polars as pl

numbers = ["1.10", "1E2", "12345678901234567.0", "12345678901234567890123"]
documents = ['{"a":%s}' % number for number in numbers]
print("duckdb", *(duckdb.sql(f"select '{document}'::json ->> 'a'").fetchall()[0][0] for document in documents))
print("duckdb", duckdb.sql("""select '{"a":1e400}'::json ->> 'a'""").fetchall()[0][0])
print("polars", *pl.Series(documents).str.json_path_match("$.a"))
PYTHON
env/bin/python try.py | tee seen
cat > expected <<'TEXT'
duckdb 1.1 100.0 12345678901234568.0 12345678901234567890123
duckdb 1e400
polars 1.1 100.0 1.2345678901234566e+16 1.2345678901234568e+22
TEXT
cmp expected seen
echo "as described"
