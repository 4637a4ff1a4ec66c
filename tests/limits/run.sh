#!/usr/bin/env bash
# Makes a lake of a million sessions and asks every kind of plan of it, in memory from far too little to plenty, on 1, 2 and 8 threads: each
# gives the answer that it gives without a limit, or names the limit, and none stands still. Tells of what takes much more memory than its
# limit. Takes an hour; not part of the tests, which do the same with small tables (src/engine/limits_tests.rs).
# LIMITS="64MB 2GB" THREADS="2" take some of them.
# Usage: tests/limits/run.sh [path of sessionlake, default target/release/sessionlake] [a lake that is there] [plans by name, as a pattern]
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/release/sessionlake}")
lake=${2:-}
if [ -z "$lake" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  lake=$folder/lake
  "$binary" generate --sessions 1000000 --seed 7 --format parquet --out "$folder/exports"
  "$binary" --lake "$lake" ingest "$folder/exports"
fi
python3 tests/limits/limits.py "$binary" "$lake" "${@:3}"
