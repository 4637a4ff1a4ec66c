#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: inner joins by = beside inner joins by IS NOT DISTINCT FROM.
# Each join of DataFusion's plan says whether two nulls are equal. Its optimizer puts a chain of inner joins into one list to order it anew, and
# builds all of them with what the outermost one says. So a null finds a null by =, or IS NOT DISTINCT FROM finds none, as the joins are written.
# Seen: three joins give rows where none is right, and lose rows the other way round; two tables in one join are right. No error, no warning.
# Source: this run; datafusion-optimizer 55.2.0, eliminate_cross_join.rs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile datafusion==55.0.0 duckdb==2.0.1
cat > try.py <<'PYTHON'
import datafusion
import duckdb

LEGS = "(values (1, null), (2, null), (3, 7)) {}(id, agent)"


def legs(name):
    return LEGS.format(name)


ASKED = {
    "= then is not distinct": f"select count(*) from {legs('x')} join {legs('y')} on x.agent = y.agent join {legs('z')} on y.agent is not distinct from z.agent",
    "is not distinct then =": f"select count(*) from {legs('x')} join {legs('y')} on x.agent is not distinct from y.agent join {legs('z')} on z.id = y.id",
    "both in one join": f"select count(*) from {legs('x')} join {legs('y')} on (x.agent is not distinct from y.agent) and x.id = y.id",
}


def of_datafusion(sql):
    return [tuple(row.values()) for batch in datafusion.SessionContext().sql(sql).collect() for row in batch.to_pylist()]


for name, sql in ASKED.items():
    print(f"{name}: datafusion {of_datafusion(sql)[0][0]}, duckdb {duckdb.sql(sql).fetchall()[0][0]}")
PYTHON
env/bin/python try.py > seen.txt
cat seen.txt
diff seen.txt - <<'EXPECTED'
= then is not distinct: datafusion 9, duckdb 1
is not distinct then =: datafusion 1, duckdb 5
both in one join: datafusion 3, duckdb 3
EXPECTED
