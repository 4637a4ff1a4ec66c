#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: IN and NOT IN over a correlated aggregate without GROUP BY.
# Such a subquery has one row for each outer row, a count of 0 where nothing matches. DataFusion makes IN a semi-join with the counts of
# the keys that there are, so that the 0 of a key that is not there is never found; as a scalar subquery (0 = (select count(*) …)) the same
# count is right. HAVING on the outer row in the scalar subquery gives 0 where it leaves no row, which is NULL.
# Seen: `0 in` finds nothing and `0 not in` finds all. No error, no warning.
# Source: this run; datafusion-optimizer 55.2.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

QUEUES = "(values (1), (2), (3)) q(id)"
COUNT = "(select count(*) from (values (1), (2), (2)) c(queue) where c.queue = q.id{})"
ASKED = {
    "0 in": f"select id from {QUEUES} where 0 in {COUNT.format('')}",
    "0 not in": f"select id from {QUEUES} where 0 not in {COUNT.format('')}",
    "0 =": f"select id from {QUEUES} where 0 = {COUNT.format('')}",
    "having": f"select id, {COUNT.format(' having q.id > 1')} from {QUEUES}",
}


def of_datafusion(sql):
    return [tuple(row.values()) for batch in datafusion.SessionContext().sql(sql).collect() for row in batch.to_pylist()]


for name, sql in ASKED.items():
    print(f"{name}: datafusion {sorted(of_datafusion(sql))}, duckdb {sorted(duckdb.sql(sql).fetchall())}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
0 in: datafusion [], duckdb [(3,)]
0 not in: datafusion [(1,), (2,), (3,)], duckdb [(1,), (2,)]
0 =: datafusion [(3,)], duckdb [(3,)]
having: datafusion [(1, 0), (2, 2), (3, 0)], duckdb [(1, None), (2, 2), (3, 0)]
EXPECTED
