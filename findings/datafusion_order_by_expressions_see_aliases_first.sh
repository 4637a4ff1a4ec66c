#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: an expression of ORDER BY over a name that FROM and the select list have.
# A name alone in ORDER BY is the answer's column. In an expression it is the column of FROM in PostgreSQL and DuckDB; DataFusion takes the answer's there too,
# so that with LIMIT other rows come.
# Seen: the opposite order and, with LIMIT, the other row. No error, no warning.
# Source: this run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

ASKED = {
    "alone": "select -a as a from (values (1), (2)) t(a) order by a",
    "expression": "select -a as a from (values (1), (2)) t(a) order by a + 0",
    "limit": "select -a as a from (values (1), (2)) t(a) order by a + 0 limit 1",
}


def of_datafusion(sql):
    batches = datafusion.SessionContext().sql(sql).collect()
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def of_duckdb(sql):
    try:
        return duckdb.sql(sql).fetchall()
    except duckdb.Error as error:
        return type(error).__name__


for name, sql in ASKED.items():
    print(f"{name}: datafusion {of_datafusion(sql)}, duckdb {of_duckdb(sql)}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
alone: datafusion [(-2,), (-1,)], duckdb [(-2,), (-1,)]
expression: datafusion [(-2,), (-1,)], duckdb [(-1,), (-2,)]
limit: datafusion [(-2,)], duckdb [(-1,)]
EXPECTED
