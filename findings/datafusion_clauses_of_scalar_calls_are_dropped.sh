#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: FILTER, OVER, DISTINCT and ORDER BY in the call of a function that is no aggregate.
# PostgreSQL and DuckDB refuse them. DataFusion plans the call as if they were not there: coalesce(sum(n), 0) filter (where …) sums all rows.
# Seen: answers as if the clause were missing. No error, no warning.
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
    "filter": "select coalesce(sum(n), 0) filter (where n > 1) as s from (values (1), (2)) t(n)",
    "rounded": "select round(avg(n), 1) filter (where n > 1) as s from (values (1), (2)) t(n)",
    "over": "select coalesce(sum(n), 0) over () as s from (values (1), (2)) t(n)",
    "distinct": "select upper(distinct s) as u from (values ('a'), ('a')) t(s)",
    "order": "select upper(s order by s) as u from (values ('a')) t(s)",
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
filter: datafusion [(3,)], duckdb ParserException
rounded: datafusion [(1.5,)], duckdb InvalidInputException
over: datafusion [(3,)], duckdb ParserException
distinct: datafusion [('A',), ('A',)], duckdb InvalidInputException
order: datafusion [('A',)], duckdb InvalidInputException
EXPECTED
