#!/usr/bin/env bash
# deltalake 1.6.6 (PyPI): write_deltalake(partition_by=…) of a text column with an empty text.
# The empty text comes back as null, without an error or a warning: the log holds partition values as texts, and the protocol's text of the
# null of every type is the empty one. A filter on '' finds nothing, and a count of nulls has one more.
# Seen: '' and null go in as two values and come back as null and null; the same column without partition_by keeps them.
# Source: this run; Delta's protocol, section Partition Value Serialization.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q deltalake==1.6.6 pyarrow==26.0.1
cat > try.py <<'PYTHON'
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

table = pa.table({"n": [1, 2, 3], "p": ["", "x", None]})
for name, keys in [("partitioned", ["p"]), ("plain", None)]:
    write_deltalake(name, table, partition_by=keys)
    print(name, DeltaTable(name).to_pyarrow_table().sort_by("n")["p"].to_pylist())
PYTHON
env/bin/python try.py | tee seen
printf "partitioned [None, 'x', None]\nplain ['', 'x', None]\n" | cmp - seen
echo "as described"
