#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: rows that unnest makes of an aggregate's rows. A group's key
# determines its other columns, and its row is the only one with that key. DataFusion's plan of unnest keeps this as it is, although one row
# becomes several, and the optimizer believes it: DISTINCT is taken away as done, a join whose other columns are not read becomes a semi-join,
# ORDER BY drops the keys behind the group's, and a window's default RANGE frame becomes ROWS. No error, no warning.
# Seen: DISTINCT returned x x y y y, a join with two partners one row, ORDER BY session, step the steps backwards, and counts over ties that
# grow within a tie; duckdb gives the right rows.
# Source: this run; datafusion-expr 55.2.0, logical_plan/plan.rs, Unnest::try_new copies the functional dependencies of its input.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

STEPS = "(values ('x', 'menu'), ('x', 'queue'), ('y', 'menu'), ('y', 'talk'), ('y', 'wrap')) t(session, step)"
GROUPS = f"(select session, array_agg(step order by step desc) as steps from {STEPS} group by session) g"
EACH = f"(select session, unnest(steps) as step from {GROUPS}) e"
ASKED = {
    "distinct": f"select distinct session from {EACH}",
    "join": f"select w.session from (values ('x')) w(session) join {EACH} on e.session = w.session",
    "window": f"select step, count(*) over (order by session) from {EACH}",
    "order by": f"select session, step from {EACH} order by session, step",
}


def of_datafusion(sql):
    return [tuple(row.values()) for batch in datafusion.SessionContext().sql(sql).collect() for row in batch.to_pylist()]


for name, sql in ASKED.items():
    for engine, run in (("datafusion", of_datafusion), ("duckdb", lambda sql: duckdb.sql(sql).fetchall())):
        rows = run(sql) if name == "order by" else sorted(run(sql))
        print(f"{name}: {engine}: {' | '.join(' '.join(map(str, row)) for row in rows)}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
distinct: datafusion: x | x | y | y | y
distinct: duckdb: x | y
join: datafusion: x
join: duckdb: x | x
window: datafusion: menu 2 | menu 5 | queue 1 | talk 4 | wrap 3
window: duckdb: menu 2 | menu 5 | queue 2 | talk 5 | wrap 5
order by: datafusion: x queue | x menu | y wrap | y talk | y menu
order by: duckdb: x menu | x queue | y menu | y talk | y wrap
EXPECTED
