#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: a condition that names no column, over an aggregate without
# GROUP BY or over ROLLUP and CUBE. Such an aggregate has a row also where it reads none, so that a condition on its result can only be tested
# behind it. DataFusion pushes a condition below an aggregate if all of its columns are group keys, which is so of a condition without columns:
# a subquery's value, or random(). Below, it leaves no rows, and the aggregate makes one of them: count 0, max NULL. No error, no warning.
# Seen: one row where none is right, in HAVING and in an outer WHERE, and through UNION ALL; a condition that names a column is right.
# Source: this run; datafusion-optimizer 55.2.0, push_down_filter.rs, the arm for aggregates.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

CALLS = "(values (1), (2), (3)) c(id)"
NONE = f"(select count(*) from {CALLS} where id > 5)"
ASKED = {
    "having": f"select count(*) from {CALLS} having {NONE} > 0",
    "where": f"select n from (select max(id) as n from {CALLS}) m where {NONE} > 0",
    "rollup": f"select n from (select count(*) as n from {CALLS} group by rollup (id)) m where {NONE} > 0",
    "union": f"select n from (select count(*) as n from {CALLS} union all select 5) m where {NONE} > 0",
    "with a column": f"select n from (select count(*) as n from {CALLS}) m where {NONE} > n - 3",
}


def of_datafusion(sql):
    return [tuple(row.values()) for batch in datafusion.SessionContext().sql(sql).collect() for row in batch.to_pylist()]


for name, sql in ASKED.items():
    print(f"{name}: datafusion {of_datafusion(sql)}, duckdb {duckdb.sql(sql).fetchall()}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
having: datafusion [(0,)], duckdb []
where: datafusion [(None,)], duckdb []
rollup: datafusion [(0,)], duckdb []
union: datafusion [(0,)], duckdb []
with a column: datafusion [], duckdb []
EXPECTED
