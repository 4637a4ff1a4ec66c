#!/usr/bin/env python3
"""Makes a lake whose log has many files, and measures what commands cost on it.

usage: log.py make LAKE FILES [VERSIONS]    a lake of so many files that are only in the log
       log.py measure LAKE PROGRAM...       CPU seconds and peak memory of the same commands with each program

`make` ingests a sample with the program, and repeats what the log says of a data file of it: under other names, each file of an hour of its own,
with other ids as bounds, and with checksums that fit (`src/lake/claims.rs`). Then the program commits itself until it writes a checkpoint,
so that the log is read as that of a lake of years: a checkpoint, and a few commits behind it. No data file is there, which is enough for statements
that prune all files or are answered of the log, and for plans. It needs the package xxhash (PyPI).

The program is target/debug/sessionlake, or the one that SESSIONLAKE names. Figures are of docs/performance.md.
"""

import datetime
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("SESSIONLAKE", str(ROOT / "target/debug/sessionlake"))
SAMPLE = ROOT / "data/snapshots/workflow_sessions.1.csv"
FIRST = datetime.datetime(2015, 1, 1, tzinfo=datetime.timezone.utc)
TIMES = {"started_at", "ended_at"}
# Columns whose bounds differ from file to file, as ids do.
IDS = {"session_id", "current_workflow_item_id", "version_id", "workflow_id"}
# Files of the table before the made ones: what the sample became.
HOUR = datetime.timedelta(hours=1)


def instant(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def microseconds(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def checked(path, size, statistics, nan, seal):
    """The checksum of what the log says of a file, as `Claims::check` has it."""
    import xxhash

    parts = []

    def number(value):
        parts.append(struct.pack("<BQ", value is not None, value or 0))

    def text(value):
        data = value.encode()
        number(len(data))
        parts.append(data)

    def bound(name, value):
        if value is None:
            number(None)
        elif name in TIMES:
            number(microseconds(value) % 2**64)
        elif isinstance(value, float):
            number(struct.unpack("<Q", struct.pack("<d", value))[0])
        else:
            text(value)

    text(path)
    parts.append(struct.pack("<Q", size))
    number(statistics["numRecords"])
    for name in sorted(statistics["nullCount"]):
        text(name)
        bound(name, statistics["minValues"].get(name))
        bound(name, statistics["maxValues"].get(name))
        number(statistics["nullCount"][name])
    text(nan)
    text(seal)
    return f"{xxhash.xxh3_64_intdigest(b''.join(parts)):016x}"


def sample_add(log):
    """What the log says of the larger data file of the sample."""
    adds = [json.loads(line).get("add") for line in (log / f"{1:020}.json").read_text().splitlines()]
    return max((add for add in adds if add), key=lambda add: add["size"])


def made(number, sample, draw):
    """An add action like the sample's, of the hour with this number."""
    path = f"ended-{draw.getrandbits(128):032x}.parquet"
    start = FIRST + number * HOUR
    spans = {
        "minValues": {"started_at": start, "ended_at": start + datetime.timedelta(seconds=draw.randrange(1, 60))},
        "maxValues": {"started_at": start + datetime.timedelta(microseconds=3_599_999_999 - draw.randrange(10**6)),
                      "ended_at": start + 3 * HOUR + datetime.timedelta(microseconds=draw.randrange(10**9))},
    }
    statistics = json.loads(sample["stats"])
    for key, times in spans.items():
        values = statistics[key]
        for name in IDS & values.keys():
            width = 2 * 6
            values[name] = values[name][:-width] + f"{draw.getrandbits(4 * width):0{width}x}"
        values["started_at"], values["ended_at"] = instant(times["started_at"]), instant(times["ended_at"])
        values["time_in_workflow"] = round(draw.uniform(1, 9) * (1 if key == "minValues" else 1e5), 3)
    statistics["numRecords"] = 262_144
    size = 40_000_000 + draw.randrange(10**7)
    body, ids = size - 60_000, 2_200_000
    seal = f"{body}:16384:{draw.getrandbits(64):016x}"
    tags = dict(sample["tags"])
    tags["sessionlake.seal"] = seal
    tags["sessionlake.ids"] = f"{body - ids}:{ids}:262144:{draw.getrandbits(64):016x}"
    tags["sessionlake.check"] = checked(path, size, statistics, tags["sessionlake.nan"], seal)
    text = json.dumps(statistics, separators=(",", ":"))
    return {"add": {**sample, "path": path, "size": size, "stats": text, "tags": tags}}


def make(lake, files, versions):
    run = lambda *arguments: subprocess.run([PROGRAM, "--lake", lake, *arguments], check=True, stdout=subprocess.DEVNULL)
    run("ingest", str(SAMPLE), "--exported-at", "2026-11-19T00:00:00Z")
    log = pathlib.Path(lake) / "workflow_sessions/_delta_log"
    sample, draw = sample_add(log), random.Random(7)
    first = 2
    for version in range(versions):
        with open(log / f"{first + version:020}.json", "w") as out:
            moment = sample["modificationTime"] + version + 1
            info = {"timestamp": moment, "operation": "WRITE", "operationParameters": {"mode": "Append"}}
            out.write(json.dumps({"commitInfo": info}, separators=(",", ":")) + "\n")
            for number in range(files * version // versions, files * (version + 1) // versions):
                out.write(json.dumps(made(number, sample, draw), separators=(",", ":")) + "\n")
    # Commits of the program's own until it has written a checkpoint, and one behind that.
    while not (log / "_last_checkpoint").exists():
        run("properties", "upkeep.files=17")
        run("properties", "upkeep.files=16")
    run("properties", "upkeep.files=18")


QUESTIONS = {
    "describe": ["describe", "tables"],
    "history": ["history", "--csv"],
    "count": ["query", "-c", "select count(*) from workflow_sessions"],
    "one session": ["query", "-c", "select * from workflow_sessions where session_id = '0'"],
    "a time": ["query", "-c", "select count(*) from workflow_sessions where started_at >= timestamp '2222-01-01' and ended_at is null"],
    "explain": ["query", "-c", "explain select * from workflow_sessions where started_at > timestamp '2222-01-01'"],
}


def measure(lake, programs):
    print("question".ljust(14), *(pathlib.Path(program).name.rjust(24) for program in programs))
    for name, arguments in QUESTIONS.items():
        cells = []
        for program in programs:
            child = os.fork()
            if child == 0:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 1)
                os.execv(program, [program, "--lake", lake, *arguments])
            _, status, used = os.wait4(child, 0)
            failed = "" if status == 0 else " failed"
            cells.append(f"{used.ru_utime + used.ru_stime:9.2f} s {used.ru_maxrss / 1024:8.0f} MB{failed}".rjust(24))
        print(name.ljust(14), *cells, flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", lake, files]:
            make(lake, int(files), 17)
        case ["make", lake, files, versions]:
            make(lake, int(files), int(versions))
        case ["measure", lake, *programs]:
            measure(lake, programs or [PROGRAM])
        case _:
            sys.exit(__doc__)
