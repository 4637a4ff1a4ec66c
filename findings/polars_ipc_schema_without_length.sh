#!/usr/bin/env bash
# polars 2.1.0 (PyPI): DataFrame.write_ipc with its defaults, read by pyarrow 26.0.1.
# Arrow's page on the IPC file format says that a file is the magic word, a stream as in the streaming format, and a footer. The file of polars has
# the schema's table straight behind the magic word, without the marker and the length that begin every message of a stream. So a reader
# that goes by the footer reads it, and one that reads the file from its start, because it comes through a pipe, does not.
# Seen: behind the magic word 04000000 f2ffffff where pyarrow's own file has ffffffff; open_file reads 2 rows; open_stream raises OSError (Invalid flatbuffers message).
# Source: this run; "Columnar Format", section "IPC File Format".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q polars==2.1.0 pyarrow==26.0.1
cat > try.py <<'PYTHON'
import io

import polars as pl
import pyarrow as pa

pl.DataFrame({"n": [1, 2]}).write_ipc("polars.arrow")
theirs = open("polars.arrow", "rb").read()
with pa.OSFile("own.arrow", "wb") as sink, pa.ipc.new_file(sink, pa.schema([("n", pa.int64())])) as writer:
    writer.write_table(pa.table({"n": [1, 2]}))
own = open("own.arrow", "rb").read()


def from_start(data):
    try:
        return pa.ipc.open_stream(io.BytesIO(data[8:])).read_all().num_rows
    except OSError:
        return "refused"


print("pyarrow:", own[8:12].hex(), pa.ipc.open_file(io.BytesIO(own)).read_all().num_rows, from_start(own))
print("polars:", theirs[8:12].hex(), theirs[12:16].hex(), pa.ipc.open_file(io.BytesIO(theirs)).read_all().num_rows, from_start(theirs))
PYTHON
env/bin/python try.py | tee seen
cat > expected <<'TEXT'
pyarrow: ffffffff 2 2
polars: 04000000 f2ffffff 2 refused
TEXT
cmp expected seen
echo "as described"
