#!/usr/bin/env python3
"""Asks a PostgreSQL server for the answers that the tests of this folder compare with, and writes them into the files.

    tests/postgres/record.py [FILE…]      # psql's variables (PGHOST, PGPORT, PGUSER) say which server

A line is a statement, its answer and, where ours is other on purpose, ours and why, with tabs between. Rows are separated by ` ; `,
columns by ` | `. Statements and the two last fields are kept. A line `# set timezone = 'Europe/Berlin'` sets the zone of the session for what follows.
"""

import pathlib
import subprocess
import sys


def ask(sql, zone="set timezone = 'UTC'"):
    run = subprocess.run(
        ["psql", "-XAtq", "-F", " | ", "-R", " ; ", "-P", "null=null", "-c", zone, "-c", sql],
        capture_output=True, text=True, check=False,
    )
    if run.returncode != 0:
        return "error: " + run.stderr.splitlines()[0].removeprefix("ERROR:").strip()
    return run.stdout.strip("\n")


def main():
    here = pathlib.Path(__file__).parent
    files = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(here.glob("*.tsv"))
    version = ask("show server_version")
    if version.startswith("error"):
        sys.exit(f"no server, nothing is written: {version}")
    version = version.split()[0]
    for path in files:
        lines, zone = [], "set timezone = 'UTC'"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# PostgreSQL "):
                line = f"# PostgreSQL {version}"
            elif line.startswith("# set timezone"):
                zone = line.removeprefix("# ")
            elif line and not line.startswith("#"):
                sql, _, *ours = [*line.split("\t"), ""][:4] if "\t" in line else [line, "", ""]
                line = "\t".join([sql, ask(sql, zone), *ours]).rstrip("\t")
            lines.append(line)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


main()
