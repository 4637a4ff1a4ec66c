#!/usr/bin/env bash
# chdb 4.4.0 (PyPI; ClickHouse 26.9): a JSON document in a column of type JSON.
# Texts that look like a date or a time are stored as Date or DateTime64, so that the document does not come back as it went in: the T and the Z
# are gone, and days and months get zeros. A key with a dot becomes a nested object. String columns keep the text.
# Seen: {"a":"2026-11-20T10:00:00Z","b":"2026-1-2","c.d":1} comes back as {"a":"2026-11-20 10:00:00","b":"2026-01-02","c":{"d":1}}
# Source: this run; ClickHouse's page on the JSON type names the settings input_format_try_infer_dates and _datetimes for formats.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q chdb==4.4.0
cat > try.py <<'PYTHON'
import chdb

document = '{"a":"2026-11-20T10:00:00Z","b":"2026-1-2","c.d":1}'
print(chdb.query(f"select toString('{document}'::JSON)", "TSVRaw"), end="")
print(chdb.query(f"select toString('{document}'::String)", "TSVRaw"), end="")
PYTHON
TZ=UTC env/bin/python try.py | tee seen
cat > expected <<'TEXT'
{"a":"2026-11-20 10:00:00","b":"2026-01-02","c":{"d":1}}
{"a":"2026-11-20T10:00:00Z","b":"2026-1-2","c.d":1}
TEXT
cmp expected seen
echo "as described"
