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
# Wheels, so that nothing is built, but for three that come as sources alone; and nothing compiled ahead, which takes most
# of the time: of thousands of files few are read.
install() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install -q --no-compile --only-binary :all: --no-binary odfpy,pyspark,pyspark-client -r "tests/interop/$2"
}
install env requirements.txt
# Sail speaks with an older client of Spark than the one above, so that it has an environment of its own.
install sail requirements-sail.txt || rm -rf "$folder/sail"
"$folder/env/bin/python" tests/interop/interop.py "$binary" "$folder/work" "$folder/sail/bin/python"
