"""The aims of the comparison, and how far each is reached: ours ÷ peer of one run, unless a line says otherwise."""

from compare.engines import COMMAND_LINE, ENGINES, OURS, SHREDDING_ENGINES, TEXT_ENGINES, TEXT_LOADERS

KINDS = ("warm CPU", "warm wall")
PEERS = tuple(engine for engine in ENGINES if engine != OURS)


def table(content: dict, queries: list, medians) -> str:
    """Returns the aims with what was measured, as Markdown."""
    by_group: dict[str, list] = {}
    for query in queries:
        by_group.setdefault(query.group, []).append(query)

    lines = ["| work | reach | CPU | wall | reached |", "| --- | --- | --- | --- | --- |"]

    def ratios(group: str, peers: tuple[str, ...], kind: str) -> list[tuple[float, str]]:
        found = []
        for query in by_group.get(group, []):
            ours = medians(query.name, OURS).get(kind)
            theirs = [time for peer in peers if (time := medians(query.name, peer).get(kind))]
            if ours and theirs:
                found.append((ours / min(theirs), query.name))
        return sorted(found)

    def against(work: str, group: str, peers: tuple[str, ...], reach: float, kinds: tuple[str, str] = KINDS) -> None:
        add(work, reach, *(ratios(group, peers, kind) for kind in kinds))

    def add(work: str, reach: float, *measured: list[tuple[float, str]]) -> None:
        cells = [_span(found, reach) for found in measured]
        if len(cells) == 1:
            cells.append("")
        known = any(measured)
        missed = any(number > reach for found in measured for number, _ in found)
        reached = "no" if missed else "yes" if known else "not measured"
        lines.append(f"| {work} | ≤ {reach:g} | {' | '.join(cells)} | {reached} |")

    against("JSON paths, against the best text engine", "json", TEXT_ENGINES, 0.01)
    for peer in SHREDDING_ENGINES:
        against(f"JSON paths, against {peer}", "json", (peer,), 1)
    cliffs = (_cliffs(by_group, medians, kind) for kind in KINDS)
    add("no cliff: worst ÷ best of our JSON queries that read the same number of paths", 4, *cliffs)
    against("rare and absent keys, against the best peer", "rare", PEERS, 1)
    against("unnest of an array of objects, against the best peer", "unnest", PEERS, 1)
    against("paths that are not leaves, against the best text engine", "text", TEXT_ENGINES, 0.75)
    # "Flat" has no figure of its own.
    add("the same, flat: ours of eight paths ÷ ours of one", 1.5, *(_flatness(medians, kind) for kind in KINDS))
    against("LIKE over the text, against the best peer", "like", PEERS, 1.2)
    against("one session by id, against the best peer", "lookup", PEERS, 0.3)
    against("plain columns, against the best peer", "plain", PEERS, 1)
    against("plain columns, against DataFusion as it comes", "plain", ("datafusion",), 0.6)
    _add_loads(content["loads"], content["data"]["rows"], add)
    against("cold `select 1`, against DuckDB's command line", "start", (COMMAND_LINE,), 1.5, ("cold CPU", "cold wall"))
    lines += ["", *_milliseconds(content, by_group, medians)]
    return "\n".join(lines)


def _span(found: list[tuple[float, str]], reach: float) -> str:
    """Writes one ratio, or the best and the worst with their names and how many of them miss the aim."""
    if not found:
        return ""
    if len(found) == 1:
        return f"{found[0][0]:.3g}"
    (best, best_name), (worst, worst_name) = found[0], found[-1]
    missed = sum(number > reach for number, _ in found)
    return f"{best:.3g} ({best_name}) to {worst:.3g} ({worst_name}); {len(found) - missed} of {len(found)} reach it"


def _cliffs(by_group: dict, medians, kind: str) -> list[tuple[float, str]]:
    times: dict[int, list[float]] = {}
    for query in by_group.get("json", []):
        if time := medians(query.name, OURS).get(kind):
            times.setdefault(query.paths, []).append(time)
    return sorted((max(found) / min(found), f"{paths} paths") for paths, found in times.items() if len(found) > 1)


def _flatness(medians, kind: str) -> list[tuple[float, str]]:
    one, eight = (medians(f"text_paths_{paths}", OURS).get(kind) for paths in (1, 8))
    return [(eight / one, "text_paths")] if one and eight else []


def _add_loads(loads: list[dict], rows: int, add) -> None:
    known = {(row["engine"], row["format"]): row for row in loads if row["status"] == "fine"}

    def pick(peers: tuple[str, ...], form: str, what: str) -> list[tuple[float, str]]:
        ours = known.get((OURS, form))
        theirs = [row[what] for peer in peers if (row := known.get((peer, form)))]
        return [(ours[what] / min(theirs), form)] if ours and theirs else []

    for form in ("ndjson", "csv"):
        name = form.upper()
        times = (pick(TEXT_LOADERS, form, what) for what in ("cpu", "wall"))
        add(f"load from {name}, against the best text-only loader", 1.2, *times)
    for peer in SHREDDING_ENGINES:
        times = (pick((peer,), "csv", what) for what in ("cpu", "wall"))
        add(f"load from CSV, against {peer}", 0.12, *times)
    add("stored bytes, against the best text-only Parquet", 1.15, pick(TEXT_LOADERS, "csv", "stored_bytes"))
    peaks = [(row["peak_bytes"] / 1e9, form) for (engine, form), row in known.items() if engine == OURS]
    add("peak memory of our load in GB", 0.6 if rows <= 1_000_000 else 1.0, sorted(peaks))


def _milliseconds(content: dict, by_group: dict, medians) -> list[str]:
    """Our own CPU-milliseconds a million sessions, beside what the aims say in brackets."""
    millions = content["data"]["rows"] / 1e6
    lines = ["Ours, warm, in CPU-milliseconds a million sessions:", ""]
    for group, aim in (("json", "≤ 6 a clean path, ≤ 20 several or mixed"), ("rare", "≤ 14"), ("unnest", "≤ 95"),
                       ("text", "≤ 1300"), ("like", "≤ 900"), ("lookup", "≤ 5")):  # fmt: skip
        times = [(query.name, medians(query.name, OURS).get("warm CPU")) for query in by_group.get(group, [])]
        cells = ", ".join(f"{name} {time * 1000 / millions:.1f}" for name, time in times if time)
        if cells:
            lines.append(f"- {group} ({aim}): {cells}")
    return lines
