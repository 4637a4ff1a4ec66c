#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: GROUP BY over a join with distinct rows, by their key and a
# column of the other side. After a join the key of one side determines the columns of that side alone. The aggregate above says that it
# determines all of its groups' columns, and that each of its values is there once. So the second sort key is dropped, groups of the groups
# fall together, and a join with them becomes a semi-join. No error, no warning; grouping by the other side's equal column gives the right rows.
# Seen: ORDER BY session, step desc came in ascending order, five distinct pairs were counted as two, a join with two partners gave one row.
# Source: this run; datafusion-common 55.2.0, functional_dependencies.rs, aggregate_functional_dependencies.
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


def groups(key):
    return (f"(select {key}.session, t.step, count(*) as n from {STEPS} "
            f"join (select distinct session from {STEPS}) d on d.session = t.session group by {key}.session, t.step)")


def asked(key):
    yield "order by", f"select session, step from {groups(key)} g order by session, step desc"
    yield "pairs", f"select count(*) from (select session, step from {groups(key)} g group by session, step)"
    yield "join", f"select w.session from (values ('x')) w(session) join {groups(key)} g on g.session = w.session"


def of_datafusion(sql):
    return [tuple(row.values()) for batch in datafusion.SessionContext().sql(sql).collect() for row in batch.to_pylist()]


for engine, run, key in (("datafusion", of_datafusion, "d"), ("datafusion, by the other side", of_datafusion, "t"),
                         ("duckdb", lambda sql: duckdb.sql(sql).fetchall(), "d")):
    for name, sql in asked(key):
        print(f"{name}: {engine}: {' | '.join(' '.join(map(str, row)) for row in run(sql))}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
order by: datafusion: x menu | x queue | y menu | y talk | y wrap
pairs: datafusion: 2
join: datafusion: x
order by: datafusion, by the other side: x queue | x menu | y wrap | y talk | y menu
pairs: datafusion, by the other side: 5
join: datafusion, by the other side: x | x
order by: duckdb: x queue | x menu | y wrap | y talk | y menu
pairs: duckdb: 5
join: duckdb: x | x
EXPECTED
