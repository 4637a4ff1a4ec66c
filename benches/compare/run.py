#!/usr/bin/env python3
"""Compares sessionlake with DuckDB, chDB, Polars and DataFusion.

README.md says how to run it, docs/performance.md what came out.
"""

import argparse
import datetime
import json
import os
import resource
import statistics
import sys
from pathlib import Path

from compare import data, engines, measure, report, shapes
from compare.results import Results

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    options = parser().parse_args()
    # The same cores for all, whatever their own settings say.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    allow_open_files()
    {"data": make_data, "load": load, "run": run, "compare": compare}[options.command](options)


def allow_open_files() -> None:
    """Lets processes open as many files as may be: a table of ClickHouse's JSON type has thousands of them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(description=__doc__)
    out.add_argument("--sessionlake", type=Path, default=ROOT / "target/release/sessionlake", metavar="BINARY")
    out.add_argument("--work", type=Path, default=ROOT / "target/compare", help="where venv, exports and stores are")
    out.add_argument("--threads", type=int, default=2)
    out.add_argument("--engines", type=names, default=list(engines.ENGINES), help="only these, with commas between")
    limits = "for one process of queries; 20 times that for a load"
    out.add_argument("--limit", type=float, default=120, metavar="SECONDS", help=limits)
    commands = out.add_subparsers(dest="command", required=True)
    part = commands.add_parser("data", help="generates the exports")
    part.add_argument("--sessions", type=int, required=True)
    part.add_argument("--out", type=Path, help="default: exports in the work folder")
    part.add_argument("--formats", type=names, default=["csv", "ndjson"])
    part.add_argument("--seed", type=int, default=1)
    part.add_argument("--odd", type=int, default=1000, help="odd rows in a million")
    part.add_argument("--shape", default="", help="documents of another shape, see docs/shapes.md; `run` asks other questions then")
    part = commands.add_parser("load", help="loads the exports into every engine, measured")
    part.add_argument("--data", type=Path, help="default: exports in the work folder")
    part = commands.add_parser("run", help="runs the queries, cold and warm, engine after engine")
    part.add_argument("--queries", type=names, help="only these, with commas between")
    part.add_argument("--rounds", type=int, default=3)
    part.add_argument("--seconds", type=float, default=4, help="about how long to repeat a query, 5 to 15 times")
    part = commands.add_parser("compare", help="compares answers, then times")
    part.add_argument("--note", default="", help="what to know of the circumstances, for the tables")
    part.add_argument("--write", action="store_true", help="writes results/ and docs/performance.md")
    return out


def names(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def bench_of(options: argparse.Namespace) -> engines.Bench:
    unknown = set(options.engines) - set(engines.ENGINES)
    if unknown:
        raise SystemExit(f"no such engine: {', '.join(sorted(unknown))}; there are {', '.join(engines.ENGINES)}")
    bench = engines.Bench(options.work.resolve(), options.sessionlake.resolve(), options.threads, options.limit)
    options.work.mkdir(parents=True, exist_ok=True)
    missing = bench.install()
    for name in missing:
        print(f"{name} cannot be installed here and is left out", file=sys.stderr)
    options.engines = [name for name in options.engines if engines.family(name) not in missing]
    return bench


def make_data(options: argparse.Namespace) -> None:
    out = options.out or options.work / "exports"
    facts = data.make(options.sessionlake, options.sessions, out, options.formats, options.seed, options.odd,
                      options.shape)
    print(json.dumps(facts, indent=1))


def load(options: argparse.Namespace) -> None:
    bench = bench_of(options)
    exports = (options.data or options.work / "exports").resolve()
    facts = json.loads((exports / "data.json").read_text())
    results = Results(bench.work, facts)
    for engine in options.engines:
        # CSV comes last: what it makes is what queries run on.
        for form in ("ndjson", "csv"):
            source = exports / f"sessions.{form}"
            if not source.exists() or (form == "ndjson" and engine not in engines.NDJSON_LOADERS):
                continue
            os.sync()
            measured = bench.load(engine, source, bench.store(engine))
            stored = bench.stored_bytes(engine, measured)
            results.add_load(engine, form, measured, stored)
            print(
                f"{engine:15} {form:6} {measured.wall:7.2f} s wall {measured.cpu:7.2f} s CPU "
                f"{measured.peak_bytes / 1e6:6.0f} MB peak {stored / 1e6:6.0f} MB stored  {measured.status}",
                flush=True,
            )
            results.save()
    bench.prepare_command_line()


def run(options: argparse.Namespace) -> None:
    bench = bench_of(options)
    results = Results(bench.work)
    facts = results.content["data"]
    asked = queries_of(facts, options.queries)
    results.start_run(bench.versions(), options, {query.name for query in asked})
    for turn in range(options.rounds):
        for query in asked:
            print(f"round {turn + 1} of {options.rounds}: {query.name}", flush=True)
            present = list(options.engines)
            if query.group == "start":
                present.append(engines.COMMAND_LINE)
            for engine in present:
                text = query.text_for(engine, facts["session_id"])
                if text is not None and not results.gave_up(query.name, engine):
                    measure_query(bench, results, query, engine, text, options.seconds)
            results.save()


def queries_of(facts: dict, names: list[str] | None) -> list[engines.Query]:
    """Returns the questions about the exports: those of their shape."""
    if not facts.get("shape"):
        return engines.queries(names)
    found = shapes.queries(facts["shape"])
    return [query for query in found if not names or query.name in names]


def measure_query(
    bench: engines.Bench, results: Results, query: engines.Query, engine: str, text: str, seconds: float
) -> None:
    cold = bench.cold(engine, text)
    if not cold.fine:
        results.add_failure(query.name, engine, cold.status)
        print(f"  {engine:15} {cold.status}", flush=True)
        return
    said = f"  {engine:15} cold {cold.wall:7.3f} s wall {cold.cpu:7.3f} s CPU"
    if engine == engines.COMMAND_LINE:
        results.add_times(query.name, engine, cold, [])
        print(said, flush=True)
        return
    results.add_answer(query.name, engine, bench.answer(engine, cold))
    times: list[tuple[float, float]] = []
    if query.group != "start":
        times, status = bench.warm(engine, text, cold, seconds)
        if status != "fine":
            results.add_failure(query.name, engine, f"warm: {status}")
    results.add_times(query.name, engine, cold, times)
    if times:
        said += f", warm {statistics.median(cpu for _, cpu in times):7.4f} s CPU, of {len(times)}"
    print(said, flush=True)


def compare(options: argparse.Namespace) -> None:
    work = options.work.resolve()
    results = Results(work)
    report.show(results.content, queries_of(results.content["data"], None), options.note)
    if options.write:
        day = datetime.date.today().isoformat()
        name = f"{day}-{report.place(results.content['data']).replace(' ', '-')}.json"
        report.write(results.content, queries_of(results.content["data"], None), options.note, ROOT, name, day)


if __name__ == "__main__":
    main()
