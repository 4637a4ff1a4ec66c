#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: two ordered aggregates of one query in opposite orders, the second DISTINCT.
# DataFusion sorts the rows once for the first and turns the second round. What gathers distinct values sorts them itself and does not know that it was turned:
# they come in the opposite of the order that was asked for. The other way round in the select list the answer is right.
# Seen: distinct values in descending order where ascending was asked for. No error, no warning.
# Source: this run; datafusion-functions-aggregate 55.2.0 (array_agg).
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
    "texts": "select string_agg(s, ',' order by s desc) as a, string_agg(distinct s, ',' order by s) as b from (values ('a'), ('b'), ('a')) t(s)",
    "lists": "select array_agg(s order by s desc) as a, array_agg(distinct s order by s) as b from (values ('a'), ('b'), ('a')) t(s)",
    "other way round": "select string_agg(distinct s, ',' order by s) as b, string_agg(s, ',' order by s desc) as a from (values ('a'), ('b'), ('a')) t(s)",
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
texts: datafusion [('b,a,a', 'b,a')], duckdb [('b,a,a', 'a,b')]
lists: datafusion [(['b', 'a', 'a'], ['b', 'a'])], duckdb [(['b', 'a', 'a'], ['a', 'b'])]
other way round: datafusion [('a,b', 'b,a,a')], duckdb [('a,b', 'b,a,a')]
EXPECTED
