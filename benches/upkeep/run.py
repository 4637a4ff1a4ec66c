#!/usr/bin/env python3
"""Plays the life of a lake that is fed every hour, and measures what it costs.

Each hour one export is taken in: the sessions that began in it, those that were running before, as they are now, and some corrections of
sessions that have ended. Nothing else is done to the lake. Afterwards the same exports are loaded at once into another lake, the tables are
compared, and each question is asked of both.

    python3 run.py --sessionlake ../../target/release/sessionlake --hours 400
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

QUESTIONS = {
    "JSON group by": "select data->'variables'->>'customer_tier' as tier, count(*) from workflow_sessions group by 1 order by 1",
    "group by": "select workflow_id, count(*), avg(time_in_workflow) from workflow_sessions group by 1 order by 1",
    "a day": "select count(*), max(data->'variables'->>'intent') from workflow_sessions "
    "where started_at >= '{day}' and started_at < timestamptz '{day}' + interval '1 day'",
    "one session": "select * from workflow_sessions where session_id = '{id}'",
}
TABLE = "select * from workflow_sessions order by session_id"


def children():
    """Returns the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Lake:
    """A lake and the program that keeps it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *arguments):
        """Runs a command; returns what it prints and its CPU seconds."""
        before = children()
        words = [self.program, "--lake", str(self.folder), *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done.stdout, children() - before

    def sql(self, text):
        return self.run("query", "--csv", "-c", text)


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def exports(args, folder):
    """Writes an export an hour, and yields each; those that are there are yielded as they are."""
    days = -(-args.hours // 24)
    first = datetime(2025, 1, 1, tzinfo=timezone.utc)
    made = folder.parent / "history"
    if not made.exists():
        subprocess.run(
            [args.sessionlake, "generate", "--sessions", str(args.hours * args.sessions), "--seed", "7", "--odd", "0", "--format", "ndjson",
             "--first-day", first.date().isoformat(), "--days", str(days), "--out", str(made)],
            check=True, capture_output=True)
    begun, key = [], {}
    for file in sorted(made.iterdir()):
        with file.open() as lines:
            for line in lines:
                row = json.loads(line)
                key = key or {name.lower().replace(" ", "").replace("_", ""): name for name in row}
                # The text of a year takes a gigabyte, and as objects many.
                begun.append((instant(row[key["startedat"]]), instant(row[key["endedat"]]), line.strip()))
    begun.sort(key=lambda entry: entry[0])
    ended, category = key["endedat"], key["variablescategory"]
    chance = random.Random(11)
    running, recent, at = [], [], 0
    for hour in range(args.hours):
        until = first + timedelta(hours=hour + 1)
        while at < len(begun) and begun[at][0] < until:
            running.append(begun[at])
            at += 1
        lines = []
        for _, end, line in running:
            is_over = end is not None and end < until
            lines.append(line if is_over else json.dumps({**json.loads(line), ended: None}))
            if is_over:
                recent.append(line)
        oldest = until - timedelta(hours=args.window)
        running = [entry for entry in running if (entry[1] is None or entry[1] >= until) and entry[0] >= oldest]
        recent = recent[-args.sessions * 24:]
        for _ in range(args.corrected if recent else 0):
            lines.append(json.dumps({**json.loads(chance.choice(recent)), category: f"corrected in hour {hour}"}))
        path = folder / f"{hour:05}.ndjson"
        if not path.exists():
            path.write_text("\n".join(lines) + "\n")
            os.utime(path, (until.timestamp(), until.timestamp()))
        yield path


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessionlake", default="../../target/release/sessionlake", help="the program")
    parser.add_argument("--hours", type=int, default=400, help="hours of exports; a year is 8760")
    parser.add_argument("--sessions", type=int, default=100, help="new sessions an hour")
    parser.add_argument("--corrected", type=int, default=2, help="sessions of the last day that are corrected in each hour")
    parser.add_argument("--window", type=int, default=168, help="hours that an export looks back: older sessions that still run are not in it")
    parser.add_argument("--rounds", type=int, default=5, help="times that each question is asked")
    parser.add_argument("--more", default="", help="flags of ingest, such as --no-upkeep")
    parser.add_argument("--every", type=int, default=100, help="hours after which it says how the lake is")
    parser.add_argument("--minutes", type=float, default=1e6, help="minutes after which no hour is begun; with --work a later run goes on from there")
    parser.add_argument("--optimize", action="store_true", help="runs optimize at the end, and measures again")
    parser.add_argument("--work", type=Path, help="where the lakes are; they stay there")
    args = parser.parse_args()
    args.until = time.monotonic() + args.minutes * 60
    args.sessionlake = str(Path(args.sessionlake).absolute())
    work = args.work or Path(tempfile.mkdtemp(prefix="upkeep-"))
    work.mkdir(parents=True, exist_ok=True)
    (work / "exports").mkdir(exist_ok=True)
    hourly, at_once = Lake(args.sessionlake, work / "hourly"), Lake(args.sessionlake, work / "at_once")
    data, noted = work / "hourly" / "workflow_sessions", work / "noted.json"
    costs, written, most, seen = [], 0, 0, set()
    if noted.exists():
        before = json.loads(noted.read_text())
        costs, written, most, seen = before["costs"], before["written"], before["most"], {file.name for file in data.glob("*.parquet")}
    for hour, path in enumerate(exports(args, work / "exports")):
        if hour < len(costs):
            continue
        begun = time.monotonic()
        _, cpu = hourly.run("--quiet", "ingest", *args.more.split(), path)
        costs.append(cpu)
        for file in data.glob("*.parquet"):
            if file.name not in seen:
                seen.add(file.name)
                written += file.stat().st_size
        if len(costs) % args.every == 0 or len(costs) == args.hours:
            now = json.loads(hourly.run("query", "--json", "-c", "select count(*) as n, sum(bytes) as b, sum(rows) as r from lake_files")[0])[0]
            most = max(most, now["n"])
            print(f"{len(costs)} hours: {now['r']} sessions in {now['n']} files, {written / now['b']:.2f} x their bytes written, "
                  f"{statistics.mean(costs[-args.every:]) * 1000:.0f} CPU ms an ingest, the last in {time.monotonic() - begun:.2f} s",
                  file=sys.stderr, flush=True)
            noted.write_text(json.dumps({"costs": costs, "written": written, "most": most}))
        if time.monotonic() > args.until:
            break
    shutil.rmtree(at_once.folder, ignore_errors=True)
    # What a run that was stopped had made for the next hour.
    for path in sorted((work / "exports").iterdir())[len(costs):]:
        path.unlink()
    _, load = at_once.run("--quiet", "ingest", "--no-upkeep" if "--no-upkeep" in hourly.run("ingest", "--help")[0] else "--format=text",
                          work / "exports")
    report = []

    def state(name):
        rows = json.loads(hourly.run("query", "--json", "-c", "select count(*) as n, sum(bytes) as b from lake_files")[0])[0]
        same = hourly.sql(TABLE)[0] == at_once.sql(TABLE)[0]
        report.append((f"{name}: the table is that of one load", "yes" if same else "NO"))
        report.append((f"{name}: files of the last version", rows["n"]))
        id_, day = hourly.sql("select session_id, date_trunc('day', started_at)::date from workflow_sessions order by md5(session_id) limit 1"
                              )[0].splitlines()[1].split(",")
        for question, text in QUESTIONS.items():
            text = text.format(id=id_, day=day[:10])
            times = {lake: [] for lake in (hourly, at_once)}
            for _ in range(args.rounds):
                for lake, taken in times.items():
                    taken.append(lake.sql(text)[1])
            one, other = (statistics.median(taken) for taken in times.values())
            report.append((f"{name}: {question}, CPU ms, and ÷ loaded at once", f"{one * 1000:.0f}, {one / other:.2f}"))
        return rows["b"]

    left = state("after the last hour")
    tenth = max(1, min(100, len(costs) // 4))
    early, late = statistics.mean(costs[:tenth]), statistics.mean(costs[-tenth:])
    report.append((f"CPU ms of the first {tenth} ingests, of the last, and ÷", f"{early * 1000:.0f}, {late * 1000:.0f}, {late / early:.2f}"))
    report.append(("CPU s of all ingests, and of loading at once", f"{sum(costs):.1f}, {load:.1f}"))
    report.append((f"files of a version at most, looked at each {args.every} hours", most))
    report.append(("bytes of data files written ÷ bytes of the last version", f"{written / left:.2f}"))
    report.append(("bytes of the logs", sum(size(folder / "_delta_log") for folder in (work / "hourly").iterdir() if folder.is_dir())))
    if args.optimize:
        _, cpu = hourly.run("--quiet", "optimize")
        report.append(("optimize, CPU s, and ÷ loading at once", f"{cpu:.1f}, {cpu / load:.2f}"))
        state("after optimize")
    width = max(len(name) for name, _ in report)
    for name, value in report:
        print(f"{name:<{width}}  {value}")
    if not args.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
