"""Shows what came out: answers first, then times, then how far the aims are reached."""

import json
import statistics
from pathlib import Path

from compare import aims, answers
from compare.engines import COMMAND_LINE, ENGINES, OURS, Query

# Around the tables of so many sessions in the document.
BEGIN, END = "<!-- compare {}: begin -->", "<!-- compare {}: end -->"
MEASURES = {
    "warm CPU": "Warm, CPU milliseconds",
    "warm wall": "Warm, wall milliseconds",
    "cold CPU": "Cold, CPU milliseconds of the whole process",
    "cold wall": "Cold, wall milliseconds of the whole process",
}


def medians(run: dict, query: str, engine: str) -> dict[str, float]:
    """Returns the medians of a query and engine over all rounds, in seconds; what was not measured is not there."""
    rounds = run["times"].get(query, {}).get(engine, [])
    found = {}
    for place, kind in enumerate(("wall", "CPU")):
        warm = [time[place] for part in rounds for time in part["warm"]]
        if warm:
            found[f"warm {kind}"] = statistics.median(warm)
        if rounds:
            found[f"cold {kind}"] = statistics.median(part["cold"][place] for part in rounds)
    return found


def show(content: dict, queries: list[Query], note: str) -> None:
    """Prints everything."""
    print(page(content, queries, note))


def write(content: dict, queries: list[Query], note: str, root: Path, name: str, day: str) -> None:
    """Writes the results into a file of their own and the tables into docs/performance.md, those of each number of sessions at a
    place of their own."""
    run = content["run"]
    times = {
        query: {engine: medians(run, query, engine) | {"rounds": rounds} for engine, rounds in of_query.items()}
        for query, of_query in run["times"].items()
    }
    found = {
        query.name: answers.differences(run["answers"][query.name], OURS, query.digits)
        for query in queries
        if query.name in run["answers"]
    }
    kept = {key: value for key, value in run.items() if key not in ("times", "answers")}
    kept |= {"note": note, "differences": {query: parts for query, parts in found.items() if parts}, "times": times}
    kept["method"] = "docs/performance.md"
    out = root / "benches/compare/results" / name
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"data": content["data"], "loads": content["loads"], "run": kept}, indent=1) + "\n")
    docs = root / "docs/performance.md"
    text = docs.read_text()
    begin, end = (marker.format(place(content["data"])) for marker in (BEGIN, END))
    if begin not in text:
        shape = content["data"].get("shape")
        of_shape = f" of the shape {shape}" if shape else ""
        text += f"\n## Results of {content['data']['sessions']:,} sessions{of_shape}\n\n{begin}\n{end}\n"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    docs.write_text(f"{before}{begin}\n\n{page(content, queries, note)}\n\n{end}{after}")
    print(f"\nwritten: {out} and {docs}")


def place(facts: dict) -> str:
    """Names the exports that results are of, as in the document's markers."""
    return f"{facts['shape']} {facts['sessions']}" if facts.get("shape") else str(facts["sessions"])


def page(content: dict, queries: list[Query], note: str) -> str:
    """Returns everything as Markdown."""
    facts, run = content["data"], content["run"]
    parts = [_circumstances(facts, run, note)]
    if run:
        parts += ["### Answers", _answers(run, queries)]
    parts += ["### Loads", _loads(content["loads"])]
    if run:
        present = [engine for engine in ENGINES if any(engine in of_query for of_query in run["times"].values())]
        measures = {"warm CPU": MEASURES["warm CPU"]} if facts.get("shape") else MEASURES
        for kind, title in measures.items():
            parts += [f"### {title}", _times(run, queries, present, kind)]
        parts += ["### To reach", aims.table(content, queries, lambda query, engine: medians(run, query, engine))]
    return "\n\n".join(parts)


def _circumstances(facts: dict, run: dict, note: str) -> str:
    if not run:
        return f"{facts['rows']:,} sessions."
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    text = (
        f"{run['started'][:10]}: {facts['rows']:,} sessions of seed {facts['seed']}, "
        f"{facts['odd_per_million']} in a million odd, "
        f"on {run['threads']} of {machine['cores']} cores ({machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"Linux {machine['system']}), load average {run['load_average']:.1f} at the start, {run['rounds']} "
        f"round{'s' if run['rounds'] > 1 else ''}. {versions}."
    )
    return f"{text} {note}" if note else text


def _answers(run: dict, queries: list[Query]) -> str:
    asked = [query for query in queries if query.name in run["answers"]]
    lines, given = [], 0
    for query in asked:
        of_query = run["answers"][query.name]
        given += len(of_query)
        for engine, how in answers.differences(of_query, OURS, query.digits).items():
            lines += [f"- {query.name}: {engine} answers otherwise", *(f"  - `{line}`" for line in how)]
    differing = sum(line.startswith("- ") for line in lines)
    head = f"{given} answers to {len(asked)} queries; {differing} of them differ{'s' if differing == 1 else ''} from ours."
    for name, of_query in run["failures"].items():
        lines += [f"- {name}: {engine} gave none: {status}" for engine, status in of_query.items()]
    return "\n".join([head, "", *lines]) if lines else head


def _loads(loads: list[dict]) -> str:
    lines = ["| engine | from | wall s | CPU s | peak MB | stored MB |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for engine in ENGINES:
        for row in sorted((row for row in loads if row["engine"] == engine), key=lambda row: row["format"]):
            if row["status"] != "fine":
                lines.append(f"| {engine} | {row['format']} | {row['status']} | | | |")
                continue
            figures = [f"{row['wall']:.1f}", f"{row['cpu']:.1f}"]
            figures += [f"{row[key] / 1e6:.0f}" for key in ("peak_bytes", "stored_bytes")]
            lines.append(f"| {engine} | {row['format']} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _times(run: dict, queries: list[Query], present: list[str], kind: str) -> str:
    with_command_line = kind.startswith("cold")
    shown = present + ([COMMAND_LINE] if with_command_line else [])
    lines = [f"| query | {' | '.join(shown)} | ours ÷ best peer |", f"| --- |{' ---: |' * (len(shown) + 1)}"]
    for query in queries:
        times = {engine: medians(run, query.name, engine).get(kind) for engine in shown}
        if not any(times.values()):
            continue
        ours, peers = times.get(OURS), [time for engine, time in times.items() if engine != OURS and time]
        best = min(peers, default=None)
        ratio = f"{_short(ours / best)}" if ours and best else ""
        cells = [_milliseconds(time, time == best, ours) for time in times.values()]
        lines.append(f"| {query.name} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def _milliseconds(time: float | None, is_best: bool, ours: float | None) -> str:
    if not time:
        return "–"
    text = _short(time * 1000)
    return f"**{text}**" if is_best and ours else text


def _short(number: float) -> str:
    """Writes a number with two or three digits that say something."""
    if number >= 10:
        return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"
    return f"{number:.2f}" if number >= 0.1 else f"{number:.2g}"
