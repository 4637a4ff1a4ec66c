#!/usr/bin/env bash
# pyarrow 26.0.1 (PyPI): an Arrow IPC file with messages of metadata version 4, read by arro3-io 0.9.1 (the Rust library arrow) and pyarrow.
# IpcWriteOptions(metadata_version=V4) writes its messages in version 4 (number 3 in their tables) and a footer that names version 5 (number 4). The
# Rust library compares the two, and refuses the file as one whose versions mismatch; pyarrow goes by each message.
# Seen: "footer 4, messages 3, pyarrow reads 1 row, arro3 refuses"; with the default version "footer 4, messages 4", and both read it.
# Source: this run; Arrow's format/Message.fbs and format/File.fbs, field "version".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --no-compile pyarrow==26.0.1 arro3-core==0.9.1 arro3-io==0.9.1
cat > try.py <<'PYTHON'
import struct

import arro3.io
import pyarrow as pa


def version(table):
    """The first field of a table of flatbuffers."""
    root = struct.unpack_from("<I", table)[0]
    fields = root - struct.unpack_from("<i", table, root)[0]
    place = struct.unpack_from("<H", table, fields + 4)[0]
    return struct.unpack_from("<h", table, root + place)[0] if place else 0


for name in ("V4", "V5"):
    options = pa.ipc.IpcWriteOptions(metadata_version=getattr(pa.ipc.MetadataVersion, name))
    with pa.ipc.new_file("x.arrow", pa.schema([("n", pa.int64())]), options=options) as writer:
        writer.write_table(pa.table({"n": [1]}))
    data = open("x.arrow", "rb").read()
    length = struct.unpack("<i", data[-10:-6])[0]
    rows = pa.ipc.open_file("x.arrow").read_all().num_rows
    try:
        rust = f"reads {arro3.io.read_ipc('x.arrow').read_all().num_rows} row"
    except Exception as error:
        rust = "refuses" if "versions mismatch" in str(error) else str(error)
    # A message begins behind the magic word, a marker and its length.
    print(f"{name}: footer {version(data[-10 - length:-10])}, messages {version(data[16:])}, pyarrow reads {rows} row, arro3 {rust}")
PYTHON
env/bin/python try.py | tee seen
cat > expected <<'TEXT'
V4: footer 4, messages 3, pyarrow reads 1 row, arro3 refuses
V5: footer 4, messages 4, pyarrow reads 1 row, arro3 reads 1 row
TEXT
cmp expected seen
echo "as described"
