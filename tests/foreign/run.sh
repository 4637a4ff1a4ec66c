#!/usr/bin/env bash
# Changes lakes with the operations of Python's deltalake, and asks sessionlake and DuckDB the same of each; then takes an export in and
# compares every row of the lake with what it must be. Needs python3 with venv. Not part of the tests: those have logs made by hand
# (tests/it/foreign_logs.rs). Usage: tests/foreign/run.sh [path of sessionlake, default target/debug/sessionlake]
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/sessionlake}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q -r tests/foreign/requirements.txt
"$folder/env/bin/python" tests/foreign/foreign.py "$binary" "$folder/work"
