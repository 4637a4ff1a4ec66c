#!/usr/bin/env bash
# datafusion 55.0.0 (PyPI, and the same in the crate 55.2.0), beside duckdb 2.0.1: the column that RIGHT and FULL JOIN … USING make of two.
# SQL's merged column is the value of whichever side has one. DataFusion takes the left side's, so that it is null in the rows that the right side alone
# has: in select lists, in *, in groups and in NATURAL joins. A filter on it is refused as ambiguous.
# Seen: null for the key of each row of the right side alone. No error, no warning.
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
    "full": "select id, v, w from (values (1, 'a'), (2, 'b')) x(id, v) full join (values (2, 'c'), (3, 'd')) y(id, w) using (id) order by w nulls first",
    "right": "select * from (values (1, 'a'), (2, 'b')) x(id, v) right join (values (2, 'c'), (3, 'd')) y(id, w) using (id) order by w",
    "groups": "select id, count(*) from (values (1), (2)) x(id) full join (values (3), (4)) y(id) using (id) group by id order by 1 nulls last",
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
full: datafusion [(1, 'a', None), (2, 'b', 'c'), (None, None, 'd')], duckdb [(1, 'a', None), (2, 'b', 'c'), (3, None, 'd')]
right: datafusion [(2, 'b', 'c'), (None, None, 'd')], duckdb [(2, 'b', 'c'), (3, None, 'd')]
groups: datafusion [(1, 1), (2, 1), (None, 2)], duckdb [(1, 1), (2, 1), (3, 1), (4, 1)]
EXPECTED
