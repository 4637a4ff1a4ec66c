"""What has been measured so far, in a file of the work folder."""

import argparse
import datetime
import json
import os
from pathlib import Path

from compare.measure import Measured


def machine() -> dict:
    """Says what the numbers are measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "cores": os.cpu_count(), "memory_bytes": memory, "system": os.uname().release}


class Results:
    """Facts of the exports, loads, and one run of queries with times, answers and failures."""

    def __init__(self, work: Path, facts: dict | None = None):
        self.path = work / "results.json"
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        if facts and known.get("data") != facts:
            known = {"data": facts}
        if "data" not in known:
            raise SystemExit("nothing is loaded yet: run `data` and `load` first")
        self.content = {"data": known["data"], "loads": known.get("loads", []), "run": known.get("run", {})}

    def add_load(self, engine: str, form: str, measured: Measured, stored: int) -> None:
        rest = [row for row in self.content["loads"] if (row["engine"], row["format"]) != (engine, form)]
        row = {"engine": engine, "format": form, "wall": measured.wall, "cpu": measured.cpu,
               "peak_bytes": measured.peak_bytes, "stored_bytes": stored, "status": measured.status}  # fmt: skip
        self.content["loads"] = [*rest, row]

    def start_run(self, versions: dict, options: argparse.Namespace, asked: set[str]) -> None:
        """Forgets what is known of the queries that are asked now; others keep theirs, each compared within its own rounds."""
        known = self.content["run"]
        self.content["run"] = {
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine(), "load_average": os.getloadavg()[0], "versions": versions, "threads": options.threads,
            "rounds": options.rounds, "limit": options.limit,
        }  # fmt: skip
        for part in ("times", "answers", "failures"):
            of_query = known.get(part, {})
            self.content["run"][part] = {name: found for name, found in of_query.items() if name not in asked}

    def add_times(self, query: str, engine: str, cold: Measured, warm: list) -> None:
        of_query = self.content["run"]["times"].setdefault(query, {}).setdefault(engine, [])
        of_query.append({"cold": [cold.wall, cold.cpu], "cold_peak_bytes": cold.peak_bytes, "warm": warm})

    def add_answer(self, query: str, engine: str, answer: dict) -> None:
        self.content["run"]["answers"].setdefault(query, {})[engine] = answer

    def add_failure(self, query: str, engine: str, status: str) -> None:
        self.content["run"]["failures"].setdefault(query, {})[engine] = status

    def gave_up(self, query: str, engine: str) -> bool:
        return engine in self.content["run"]["failures"].get(query, {})

    def save(self) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content))
        part.replace(self.path)
