#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, which reads SQL with the crate sqlparser 0.62), beside duckdb 2.0.1: a IS DISTINCT FROM b AND c. In SQL as
# PostgreSQL reads it IS binds more tightly than AND and OR. sqlparser reads all that follows as the right side, a IS DISTINCT FROM (b AND c).
# With other types than boolean that is an error about types ("Cannot infer common argument type for logical boolean operation"), which names
# no place and no IS; with booleans it is another answer, silently. Parentheses around the comparison help.
# Seen: true is distinct from true and false is true, where it is false; the usual condition on two columns is refused.
# Source: this run; sqlparser 0.62.0, parser/mod.rs, parse_infix: the right side is parse_expr().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

CALLS = "(values (1, 'menu', 'talk'), (2, 'talk', 'talk'), (3, null, 'talk')) c(id, was, is_now)"
ASKED = {
    "booleans": "select true is distinct from true and false",
    "in parentheses": "select (true is distinct from true) and false",
    "columns": f"select count(*) from {CALLS} where was is distinct from is_now and id > 1",
}


def of_datafusion(sql):
    try:
        return datafusion.SessionContext().sql(sql).collect()[0].to_pylist()[0].popitem()[1]
    except Exception as error:
        return "logical boolean operation" in str(error) and "an error about types"


for name, sql in ASKED.items():
    print(f"{name}: datafusion {of_datafusion(sql)}, duckdb {duckdb.sql(sql).fetchall()[0][0]}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
booleans: datafusion True, duckdb False
in parentheses: datafusion False, duckdb False
columns: datafusion an error about types, duckdb 1
EXPECTED
