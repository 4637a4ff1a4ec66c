#!/usr/bin/env python3
"""Asks a PostgreSQL server and our binary the statements of this folder's chapters, and says where their answers differ.

    tests/postgres/ask.py [--binary FILE] [--docs] [FILE…]     # psql's variables (PGHOST, PGPORT, PGUSER) say which server

The files are those of record.py, by default chapters/*.tsv. A statement is the same, other on purpose (the line says what ours is and why), refused by us
(so does the line), or differs: then it is printed, and the exit code is 1. With --docs the table of docs/sql.md is written anew.
"""

import argparse
import concurrent.futures
import math
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
BEGIN, END = "<!-- Written by tests/postgres/ask.py --docs. -->", "<!-- Until here. -->"
INSTANT = re.compile(r"(\d{4,}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)?")


def theirs(sql):
    run = subprocess.run(
        ["psql", "-XAtq", "-F", " | ", "-R", " ; ", "-P", "null=null", "-c", "set timezone = 'UTC'", "-c", sql],
        capture_output=True, text=True, check=False,
    )
    if run.returncode != 0:
        return "error: " + run.stderr.splitlines()[0].removeprefix("ERROR:").strip()
    return run.stdout.strip("\n")


def cells(line):
    """The cells of a row of a Markdown table."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def ours(binary, lake, sql):
    flags = ["--lake", lake, "--format", "markdown", "--null", "null", "--as-of", "2026-11-21T00:00:00Z"]
    run = subprocess.run(
        [binary, "query", *flags, "-c", sql],
        capture_output=True, text=True, check=False, timeout=120,
    )
    if run.returncode != 0:
        lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
        first = next((line for line in lines if line.startswith("error")), lines[0] if lines else "no message")
        hint = next((line for line in lines if line.startswith(("hint", "= hint"))), "")
        return f"error: {first.split(': ', 1)[-1]} {hint}".strip()
    rows = [cells(line) for line in run.stdout.splitlines()[2:]]
    return " ; ".join(" | ".join(INSTANT.sub(r"\1 \2", cell) for cell in row) for row in rows)


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def same_cell(ours, theirs):
    a, b = number(ours), number(theirs)
    if a is not None and b is not None:
        return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= abs(b) * 1e-15
    if re.fullmatch(r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00", theirs):
        theirs = theirs.removesuffix("+00")
    if ours in ("true", "false") and theirs in ("t", "f"):
        return ours[0] == theirs
    if ours.startswith("[") and theirs.startswith(("{", "[")):
        # Lists are written as JSON has them.
        theirs = theirs.translate(str.maketrans("{}", "[]")).replace("NULL", "null")
        return ours.replace(" ", "").replace('"', "") == theirs.replace(" ", "").replace('"', "")
    return ours.strip() == theirs.strip()


def same(ours, theirs):
    if ours.startswith("error: ") or theirs.startswith("error: "):
        return ours.startswith("error: ") and theirs.startswith("error: ")
    a, b = [[row.split(" | ") for row in answer.split(" ; ")] for answer in (ours, theirs)]
    return len(a) == len(b) and all(
        len(x) == len(y) and all(map(same_cell, x, y)) for x, y in zip(a, b)
    )


def table(chapters):
    """The tables of docs/sql.md."""
    out = ["| chapter | statements | same | other on purpose | refused by us |", "| --- | --- | --- | --- | --- |"]
    total = [0, 0, 0, 0]
    for chapter, counts in chapters.items():
        row = [counts["same"] + len(counts["other"]) + len(counts["refused"]), counts["same"]]
        row += [len(counts["other"]), len(counts["refused"])]
        total = [a + b for a, b in zip(total, row)]
        out.append(f"| {chapter} | " + " | ".join(map(str, row)) + " |")
    out += ["| all | " + " | ".join(map(str, total)) + " |", ""]
    for kind, heading in (("other", "Other on purpose"), ("refused", "Refused, with what to write instead")):
        by_reason = {}
        for counts in chapters.values():
            for sql, given, why in counts[kind]:
                by_reason.setdefault(why, []).append((sql, given))
        out += [f"{heading}:", "", "| statement | why |", "| --- | --- |"]
        for why, statements in by_reason.items():
            shown = "<br>".join("`" + sql.replace("|", "\\|") + "`" for sql, _ in statements[:3])
            if len(statements) > 3:
                shown += f"<br>and {len(statements) - 3} more"
            out.append(f"| {shown} | " + why.replace("|", "\\|") + " |")
        out.append("")
    return "\n".join(out)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", default=str(ROOT / "target/debug/sessionlake"))
    arguments.add_argument("--docs", action="store_true")
    arguments.add_argument("files", nargs="*")
    given = arguments.parse_args()
    files = [pathlib.Path(name) for name in given.files] or sorted(HERE.glob("chapters/*.tsv"))
    asked, chapter = [], None
    for path in files:
        for number_of_line, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("# ") and not line.startswith("# PostgreSQL "):
                chapter = line.removeprefix("# ")
            elif line and not line.startswith("#"):
                asked.append((chapter, f"{path.name}:{number_of_line}", *[*line.split("\t"), "", "", ""][:4]))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        lake = f"{folder}/lake"
        export = ROOT / "data/workflow_sessions.csv"
        subprocess.run([given.binary, "ingest", "--lake", lake, str(export)], check=True, capture_output=True)
        answers = list(pool.map(lambda line: (theirs(line[2]), ours(given.binary, lake, line[2])), asked))
    chapters, wrong = {}, 0
    for (chapter, place, sql, _, expected, why), (theirs_, ours_) in zip(asked, answers):
        counts = chapters.setdefault(chapter, {"same": 0, "other": [], "refused": []})
        if expected and same(ours_, expected):
            kind = "refused" if ours_.startswith("error: ") else "other"
            counts[kind].append((sql, ours_, why))
        elif not expected and same(ours_, theirs_):
            counts["same"] += 1
        else:
            wrong += 1
            print(f"{place}: {sql}\n    PostgreSQL {theirs_[:200]}\n    ours       {ours_[:300]}")
            if expected:
                print(f"    expected   {expected}")
    if given.docs:
        page = ROOT / "docs/sql.md"
        text = page.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        page.write_text(f"{before}{BEGIN}\n\n{table(chapters)}\n{END}{after}", encoding="utf-8")
    print(f"{len(asked)} statements, {wrong} differ", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
