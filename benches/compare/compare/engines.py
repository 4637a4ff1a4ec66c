"""The engines, their stores, their queries, and the processes that run them."""

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from compare import measure

HERE = Path(__file__).resolve().parent
QUERIES = HERE.parent / "queries"
OURS = "sessionlake"
COMMAND_LINE = "duckdb-cli"
REQUIREMENTS = {
    "duckdb": "2.0.0",
    "chdb": "4.4.0",
    "polars": "2.1.0",
    "datafusion": "55.0.0",
    "pyarrow": "26.0.1",
    "duckdb-cli": "1.5.6",
}
# Each with what it is; the order of tables.
ENGINES = {
    OURS: "this program: Parquet in a Delta table, documents as text with leaf columns",
    "duckdb-text": "DuckDB over its own Parquet (zstd), documents as text",
    "duckdb-json": "DuckDB with a native table, documents as JSON",
    "duckdb-variant": "DuckDB with a native table, documents as VARIANT",
    "chdb-text": "chDB over its own Parquet (zstd), documents as text",
    "chdb-json": "chDB with a MergeTree table by start and session id, documents as JSON, a bloom filter on the session id",
    "polars": "Polars over its own Parquet (zstd), documents as text",
    "datafusion": "DataFusion as it comes over its own Parquet, plain columns only",
}
TEXT_ENGINES = ("duckdb-text", "duckdb-json", "chdb-text", "polars")
SHREDDING_ENGINES = ("duckdb-variant", "chdb-json")
TEXT_LOADERS = ("duckdb-text", "chdb-text", "polars", "datafusion")
# What else can be loaded from NDJSON with its documents as text.
NDJSON_LOADERS = (OURS, "duckdb-text", "chdb-text", "polars")


@dataclass
class Query:
    """One question, and how it is put to each engine."""

    name: str
    question: str
    group: str
    paths: int
    digits: int
    texts: dict[str, str]

    def text_for(self, engine: str, session_id: str) -> str | None:
        """Returns the text for an engine, its family or all, in this order."""
        found = next((self.texts[key] for key in (engine, engine.partition("-")[0]) if key in self.texts), None)
        if found is None and engine != "polars":
            found = self.texts.get("sql")
            if engine == "datafusion" and self.group not in PLAIN_GROUPS:
                found = None
        return found and found.strip().replace("{session_id}", session_id)


PLAIN_GROUPS = ("plain", "lookup", "like", "start")


def queries(names: list[str] | None) -> list[Query]:
    """Reads the queries, all or those named."""
    found = []
    for path in sorted(QUERIES.glob("*.toml"), key=lambda path: path.stem):
        content = tomllib.loads(path.read_text())
        question, group, paths = content.pop("question"), content.pop("group"), content.pop("paths", 0)
        found.append(Query(path.stem, question, group, paths, content.pop("digits", 9), content))
    order = ("start", "plain", "lookup", "json", "rare", "unnest", "like", "text")
    found.sort(key=lambda query: (order.index(query.group), query.paths, query.name))
    unknown = set(names or ()) - {query.name for query in found}
    if unknown:
        raise SystemExit(f"no such query: {', '.join(sorted(unknown))}")
    return [query for query in found if not names or query.name in names]


class Bench:
    """A work folder with exports, stores and the venv, and the ways to run each engine in it."""

    def __init__(self, work: Path, binary: Path, threads: int, limit: float):
        self.work, self.binary, self.threads, self.limit = work, binary, threads, limit
        self.python = work / "venv" / "bin" / "python"
        self.env = {"POLARS_MAX_THREADS": str(threads), "COMPARE_THREADS": str(threads), "PYTHONHASHSEED": "0"}

    def install(self) -> list[str]:
        """Makes the venv and installs what is not there yet; returns what cannot be installed."""
        if not self.python.exists():
            subprocess.run(["python3", "-m", "venv", self.work / "venv"], check=True)
        listed = [self.python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        there = {row["name"]: row["version"] for row in json.loads(subprocess.check_output(listed))}
        missing = []
        for name, version in REQUIREMENTS.items():
            if there.get(name) == version:
                continue
            pip = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{name}=={version}"]
            if subprocess.run(pip).returncode != 0:
                missing.append(name)
        return missing

    def versions(self) -> dict[str, str]:
        """Returns the version of each engine."""
        ours = subprocess.check_output([self.binary, "--version"], text=True).split()[-1]
        return {OURS: ours} | REQUIREMENTS

    def store(self, engine: str) -> Path:
        return self.work / "stores" / engine

    def load(self, engine: str, source: Path, store: Path) -> measure.Measured:
        """Loads an export into an empty store."""
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(parents=True)
        if engine == OURS:
            command = [self.binary, "ingest", "--lake", store, "--threads", self.threads, "-q", source]
            return measure.process(command, limit=self.limit * 20)
        return measure.process([*self._peer("load", engine, store), source], limit=self.limit * 20, env=self.env)

    def stored_bytes(self, engine: str, load: measure.Measured) -> int:
        """Returns the bytes of a store: what the engine says, or what stands in its folder."""
        if not load.fine:
            return 0
        said = [line for line in load.output.splitlines() if line.startswith('{"stored_bytes"')]
        return json.loads(said[-1])["stored_bytes"] if said else measure.bytes_below(self.store(engine))

    def prepare_command_line(self) -> None:
        """Gives DuckDB's command line a file of its own: it is older than the library and cannot read its files."""
        rows, file = self.store("duckdb-text") / "sessions.parquet", self.store(COMMAND_LINE) / "sessions.duckdb"
        if rows.exists():
            shutil.rmtree(file.parent, ignore_errors=True)
            file.parent.mkdir(parents=True)
            text = f"create table workflow_sessions as from read_parquet('{rows}')"
            subprocess.run([*self._command_line(), "-c", text], check=True, stdout=subprocess.DEVNULL)

    def _command_line(self) -> list:
        # The program itself, not the script that starts it.
        packages = next((self.work / "venv" / "lib").glob("python3*/site-packages"))
        return [packages / "duckdb_cli" / "duckdb", self.store(COMMAND_LINE) / "sessions.duckdb"]

    def cold(self, engine: str, text: str) -> measure.Measured:
        """Runs a query once in a process of its own."""
        if engine == OURS:
            return measure.process([*self._lake(), "-c", text], limit=self.limit)
        if engine == COMMAND_LINE:
            return measure.process([*self._command_line(), "-c", text], limit=self.limit)
        return measure.process([*self._peer("query", engine, self.store(engine)), 0], text, self.limit, self.env)

    def warm(self, engine: str, text: str, cold: measure.Measured, seconds: float) -> tuple[list[tuple[float, float]], str]:
        """Runs a query in one process once and then for about `seconds` more; returns wall and CPU times of the latter."""
        if engine == OURS:
            repeats = 2 if cold.wall * 5 > seconds * 4 else max(5, min(15, int(seconds / cold.wall)))
            times, status = measure.lake_repeats([*self._lake(), "-"], text, repeats + 1, self.limit)
        else:
            command = [*self._peer("query", engine, self.store(engine)), seconds]
            measured = measure.process(command, text, self.limit, self.env)
            times, status = measure.peer_repeats(measured), measured.status
        return times[1:], status

    def answer(self, engine: str, measured: measure.Measured) -> dict:
        """Returns the rows that a cold run printed."""
        if engine != OURS:
            return json.loads(measured.output.splitlines()[-1])
        records = json.loads(measured.output)
        return {"columns": list(records[0]) if records else [], "rows": [list(record.values()) for record in records]}

    def _lake(self) -> list:
        # The instant fixes what is now; no query asks for it, but what is planned should not depend on the day.
        instant = ["--as-of", "2026-11-21T00:00:00Z"]
        return [self.binary, "query", "--lake", self.store(OURS), "--threads", self.threads, "--json", "-q", *instant]

    def _peer(self, what: str, engine: str, store: Path) -> list:
        return [self.python, HERE / "peers.py", what, engine, store]


def family(engine: str) -> str:
    return re.split("-", engine)[0]
