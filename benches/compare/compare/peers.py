"""The peers, each in its best honest storage: how it loads the exports, and how it runs a query. Runs inside the venv.

`load` writes a store and ends; `query` runs one query several times and prints a line of JSON for each time, then the rows.
"""

import datetime
import decimal
import importlib
import json
import os
import sys
import time
from pathlib import Path

TEXTS = ("action_data", "communication_type", "current_workflow_item_id", "data", "ended_at", "session_id",
         "source_details_phone_number", "source_details", "started_at", "time_in_workflow", "variables_category",
         "variables_sub_category", "version_id", "workflow_id")  # fmt: skip
DOCUMENTED = ("Action Data", "Communication Type", "Current Workflow Item Id", "Data", "Ended At", "Session Id",
              "Source Details - Phone Number", "Source Details", "Started At", "Time in Workflow", "Variables - Category",
              "Variables - Sub Category", "Version Id", "Workflow Id")  # fmt: skip
CAMEL = ("actionData", "communicationType", "currentWorkflowItemId", "data", "endedAt", "sessionId",
         "sourceDetailsPhoneNumber", "sourceDetails", "startedAt", "timeInWorkflow", "variablesCategory",
         "variablesSubCategory", "versionId", "workflowId")  # fmt: skip
JSON_COLUMNS = ("data", "source_details")
TIMES = ("ended_at", "started_at")
THREADS = int(os.environ.get("COMPARE_THREADS", "2"))


def columns(names: tuple[str, ...], write) -> str:
    """Writes a select list: `write(source name, name)` gives the expression of each column."""
    return ", ".join(f"{write(source, name)} as {name}" for source, name in zip(names, TEXTS))


class DuckDb:
    """DuckDB: Parquet with documents as text, or a native table with documents as JSON or VARIANT."""

    package = "duckdb"

    def __init__(self, kind: str, store: Path):
        import duckdb

        self.kind, self.store = kind, store
        if kind == "text":
            self.connection = duckdb.connect()
        else:
            self.connection = duckdb.connect(str(store / "sessions.duckdb"))
        self.connection.execute(f"set threads = {THREADS}")

    def load(self, source: Path) -> None:
        rows = self._csv(source) if source.suffix == ".csv" else self._ndjson(source)
        if self.kind == "text":
            target = self.store / "sessions.parquet"
            self.connection.execute(f"copy (select {rows}) to '{target}' (format parquet, compression zstd)")
        else:
            self.connection.execute(f"create table workflow_sessions as select {rows}")
            self.connection.execute("checkpoint")
        self.connection.close()

    def _csv(self, source: Path) -> str:
        def write(column: str, name: str) -> str:
            if name in TIMES:
                return f'"{column}"::timestamp'
            if name == "time_in_workflow":
                return f'"{column}"::double'
            if name in JSON_COLUMNS and self.kind == "variant":
                # One document in a row group that is no object, and DuckDB shreds no path of that group.
                return f'case when json_type(try_cast("{column}" as json)) = \'OBJECT\' then "{column}"::json end::variant'
            if name in JSON_COLUMNS and self.kind == "json":
                # A document that is none becomes a JSON string.
                return f'case when json_valid("{column}") then "{column}"::json else to_json("{column}") end'
            return f'"{column}"'

        return f"{columns(DOCUMENTED, write)} from read_csv('{source}', header = true, all_varchar = true)"

    def _ndjson(self, source: Path) -> str:
        kinds = {name: "varchar" for name in CAMEL} | {"data": "json", "sourceDetails": "json", "timeInWorkflow": "double"}
        declared = ", ".join(f"{name}: '{kind}'" for name, kind in kinds.items())

        def write(column: str, name: str) -> str:
            if name in TIMES:
                return f"{column}::timestamp"
            return f"{column}::varchar" if name in JSON_COLUMNS else column

        return f"{columns(CAMEL, write)} from read_ndjson('{source}', columns = {{{declared}}})"

    def open(self) -> None:
        if self.kind == "text":
            path = self.store / "sessions.parquet"
            self.connection.execute(f"create view workflow_sessions as from read_parquet('{path}')")

    def query(self, text: str) -> tuple[list[str], list]:
        result = self.connection.execute(text)
        return [column[0] for column in result.description], result.fetchall()


class ChDb:
    """chDB, ClickHouse in a process: Parquet with documents as text, or a MergeTree table with documents as JSON."""

    package = "chdb"

    def __init__(self, kind: str, store: Path):
        from chdb import session

        self.kind, self.store = kind, store
        self.session = session.Session() if kind == "text" else session.Session(str(store / "server"))
        self.session.query(f"set max_threads = {THREADS}")

    def load(self, source: Path) -> None:
        settings = "input_format_parallel_parsing = 1, date_time_input_format = 'best_effort'"
        form, names = ("CSVWithNames", DOCUMENTED) if source.suffix == ".csv" else ("JSONEachRow", CAMEL)
        declared = ", ".join(f"`{column}` {self._kind_of(name)}" for column, name in zip(names, TEXTS))
        # In a string literal within SQL, quotes are doubled.
        declared = declared.replace("'", "''")
        rows = f"{columns(names, self._write)} from file('{source}', '{form}', '{declared}')"
        if self.kind == "text":
            target = self.store / "sessions.parquet"
            settings += ", output_format_parquet_compression_method = 'zstd', engine_file_truncate_on_insert = 1"
            self.session.query(f"insert into function file('{target}', 'Parquet') select {rows} settings {settings}")
        else:
            self._create()
            # Texts that look like dates stay texts.
            settings += ", input_format_try_infer_dates = 0, input_format_try_infer_datetimes = 0"
            self.session.query(f"insert into compare.workflow_sessions select {rows} settings {settings}")
            # Parts of many files only at the end: with one for each block it runs out of the 20,000 files that it may open.
            sizes = "min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0"
            self.session.query(f"alter table compare.workflow_sessions modify setting {sizes}")
            self.session.query("optimize table compare.workflow_sessions final")
            # Parts that were merged stay on disk for a while and do not count.
            parts = "system.parts where active and database = 'compare'"
            stored = self.session.query(f"select sum(bytes_on_disk) from {parts}", "TSV")
            print(json.dumps({"stored_bytes": int(str(stored))}))
        self.session.close()

    def _kind_of(self, name: str) -> str:
        if name in TIMES:
            return "Nullable(DateTime64(6, 'UTC'))"
        return "Nullable(Float64)" if name == "time_in_workflow" else "Nullable(String)"

    def _write(self, column: str, name: str) -> str:
        if self.kind == "json" and name in JSON_COLUMNS:
            # The type holds objects only.
            return f"if(isValidJSON(ifNull(`{column}`, '')), `{column}`, '{{}}')::JSON"
        if self.kind == "json" and name in ("session_id", "started_at"):
            return f"assumeNotNull(`{column}`)"
        return f"`{column}`"

    def _create(self) -> None:
        kinds = {name: self._kind_of(name) for name in TEXTS}
        kinds |= {"session_id": "String", "started_at": "DateTime64(6, 'UTC')"} | dict.fromkeys(JSON_COLUMNS, "JSON")
        for name in ("communication_type", "current_workflow_item_id", "variables_category", "variables_sub_category",
                     "version_id", "workflow_id"):  # fmt: skip
            kinds[name] = "LowCardinality(Nullable(String))"
        declared = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        index = "index by_session session_id type bloom_filter granularity 1"
        self.session.query("create database if not exists compare")
        self.session.query(
            f"create table compare.workflow_sessions ({declared}, {index})"
            " engine = MergeTree order by (started_at, session_id)"
            " settings min_bytes_for_wide_part = 1000000000000, min_rows_for_wide_part = 1000000000000"
        )

    def open(self) -> None:
        if self.kind == "text":
            self.session.query("create database if not exists compare")
            path = self.store / "sessions.parquet"
            self.session.query(f"create view compare.workflow_sessions as select * from file('{path}', 'Parquet')")
        self.session.query("use compare")

    def query(self, text: str) -> tuple[list[str], list]:
        answer = json.loads(str(self.session.query(text, "JSONCompact")))
        return [column["name"] for column in answer["meta"]], answer["data"]


class Polars:
    """Polars over its own Parquet, with documents as text."""

    package = "polars"

    def __init__(self, _kind: str, store: Path):
        import polars

        self.polars, self.store = polars, store

    def load(self, source: Path) -> None:
        pl = self.polars
        if source.suffix == ".csv":
            rows = pl.scan_csv(source, infer_schema=False).rename(dict(zip(DOCUMENTED, TEXTS)))
        else:
            rows = pl.scan_ndjson(source, schema={name: pl.String for name in CAMEL}).rename(dict(zip(CAMEL, TEXTS)))
        instants = [pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC") for name in TIMES]
        rows = rows.with_columns(*instants, pl.col("time_in_workflow").cast(pl.Float64))
        rows.sink_parquet(self.store / "sessions.parquet", compression="zstd")

    def open(self) -> None:
        self.sessions = self.polars.scan_parquet(self.store / "sessions.parquet")

    def query(self, text: str) -> tuple[list[str], list]:
        frame = eval(text, {"pl": self.polars, "sessions": self.sessions})  # noqa: S307: the text is a file of this folder
        if hasattr(frame, "collect"):
            frame = frame.collect()
        return frame.columns, frame.rows()


class DataFusion:
    """DataFusion as it comes, over its own Parquet: the plain columns."""

    package = "datafusion"

    def __init__(self, _kind: str, store: Path):
        from datafusion import SessionConfig, SessionContext

        self.store = store
        self.context = SessionContext(SessionConfig().with_target_partitions(THREADS))

    def load(self, source: Path) -> None:
        import pyarrow

        schema = pyarrow.schema([(column, pyarrow.string()) for column in DOCUMENTED])
        self.context.register_csv("export", str(source), schema=schema, file_extension=".csv")

        def write(column: str, name: str) -> str:
            if name in TIMES:
                return f"arrow_cast(\"{column}\", 'Timestamp(Microsecond, Some(\"UTC\"))')"
            return f'cast("{column}" as double)' if name == "time_in_workflow" else f'"{column}"'

        target = self.store / "sessions.parquet"
        self.context.sql(f"copy (select {columns(DOCUMENTED, write)} from export) to '{target}' stored as parquet").collect()

    def open(self) -> None:
        self.context.register_parquet("workflow_sessions", str(self.store / "sessions.parquet"))

    def query(self, text: str) -> tuple[list[str], list]:
        frame = self.context.sql(text)
        names = frame.schema().names
        rows = [row for batch in frame.collect() for row in zip(*(column.to_pylist() for column in batch.columns))]
        return list(names), rows


PEERS = {"duckdb": DuckDb, "chdb": ChDb, "polars": Polars, "datafusion": DataFusion}


def wants_another(spent: list[float], budget: float) -> bool:
    """Whether a query is run again.

    Once without a budget, else once and 5 to 15 times more, as often as the budget in seconds allows; but only twice more
    where five times would take four times the budget.
    """
    if budget == 0 or not spent:
        return not spent
    repeats = len(spent) - 1
    least = 2 if spent[0] * 5 > budget * 4 else 5
    return repeats < least or (repeats < 15 and sum(spent) < budget)


def plain(value):
    """Writes a value in the manner of JSON."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, datetime.date | datetime.timedelta):
        return str(value)
    return float(value) if isinstance(value, decimal.Decimal) else value


def main() -> None:
    what, engine, store = sys.argv[1:4]
    family, _, kind = engine.partition("-")
    peer_of = PEERS[family]
    if what == "version":
        print(importlib.import_module(peer_of.package).__version__)
        return
    peer = peer_of(kind, Path(store))
    if what == "load":
        peer.load(Path(sys.argv[4]))
        return
    text, budget = sys.stdin.read(), float(sys.argv[4])
    peer.open()
    spent: list[float] = []
    while wants_another(spent, budget):
        wall, cpu = time.perf_counter(), time.process_time()
        names, rows = peer.query(text)
        spent.append(time.perf_counter() - wall)
        print(json.dumps([spent[-1], time.process_time() - cpu]), flush=True)
    print(json.dumps({"columns": names, "rows": [[plain(value) for value in row] for row in rows]}), flush=True)


if __name__ == "__main__":
    main()
