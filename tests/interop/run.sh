#!/usr/bin/env bash
# Writes one small table with the ordinary commands of other tools, takes each file in, and compares every cell. Makes the table of
# docs/interop.md and the files of data/interop/, which the tests read. Needs python3 with venv; programs that are not installed
# (PostgreSQL, MariaDB, sqlite3, jq, Miller, LibreOffice, Java for Spark) are left out by name. Not part of the tests.
# Usage: tests/interop/run.sh [path of sessionlake, default target/debug/sessionlake]
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/sessionlake}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q -r tests/interop/requirements.txt
# Sail speaks with an older client of Spark than the one above, so that it has an environment of its own.
python3 -m venv "$folder/sail"
"$folder/sail/bin/pip" install -q -r tests/interop/requirements-sail.txt || rm -rf "$folder/sail"
"$folder/env/bin/python" tests/interop/interop.py "$binary" "$folder/work" "$folder/sail/bin/python"
