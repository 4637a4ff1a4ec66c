"""Writes one table with many tools, takes each file in, and compares every cell. See run.sh."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

BINARY, WORK = sys.argv[1], Path(sys.argv[2])
EXPORTED = "2026-11-21T00:00:00Z"
# Files up to this size, and folders, are kept for the tests of the project.
KEPT_BYTES, KEPT_FOLDER_BYTES = 6_000, 16_000

COLUMNS = [
    "action_data", "communication_type", "current_workflow_item_id", "data", "ended_at", "session_id",
    "source_details_phone_number", "source_details", "started_at", "time_in_workflow", "variables_category",
    "variables_sub_category", "version_id", "workflow_id",
]  # fmt: skip
TIMES = ("started_at", "ended_at")


def row(number, started, ended=None, **values):
    usual = {
        "session_id": f"s{number}",
        "started_at": started,
        "ended_at": ended,
        "time_in_workflow": None,
        "communication_type": "Phone",
        "workflow_id": "w-1",
        "version_id": "7",
        "data": "{}",
    }
    return {name: (usual | values).get(name) for name in COLUMNS}


ROWS = [
    row(1, "2026-11-20T10:00:00.000001Z", "2026-11-20T10:05:00Z", time_in_workflow=299.999999,
        data='{"t":"a\\nb","q":"say \\"hi\\"","u":"\\u00e9 é","n":[1,2.50,null]}', action_data='{"type":"end"}'),
    row(2, "2026-11-20T10:00:00Z", variables_category='a "quoted", text', variables_sub_category="two\nlines"),
    row(3, "2026-11-20T11:00:00Z", "2026-11-20T11:00:00.500000Z", time_in_workflow=0.5,
        variables_category="C:\\new\\table", variables_sub_category=" blanks around ", action_data="end"),
    # The hour that Berlin has twice.
    row(4, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", time_in_workflow=3600.0,
        source_details='{"phoneNumber":"+12025550143"}', source_details_phone_number="+12025550143"),
    row(5, "2026-11-20T12:00:00Z", communication_type="Messaging", workflow_id=None, version_id=None, data=None,
        variables_category="tab\there; semicolon, comma", current_workflow_item_id="0012"),
    row(6, "2026-11-20T12:00:00.120000Z", "2026-11-20T12:00:01.120000Z", time_in_workflow=1.0, variables_category="NULLABLE",
        variables_sub_category="ünï", data='{"empty":"","slash":"a\\/b","back":"\\\\"}'),
]  # fmt: skip


def run(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, cwd=WORK)
    return done.returncode, done.stdout, done.stderr


def stored(lake):
    code, out, err = run("--lake", lake, "query", "-c", f"select {', '.join(COLUMNS)} from workflow_sessions order by session_id",
                         "--format", "ndjson")  # fmt: skip
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def instant(text):
    return text and datetime.fromisoformat(text)


def differences(found):
    if len(found) != len(ROWS):
        return [f"{len(found)} rows of {len(ROWS)}"]
    wrong = []
    for have, want in zip(found, ROWS):
        for name in COLUMNS:
            same = instant(have[name]) == instant(want[name]) if name in TIMES else have[name] == want[name]
            if not same:
                wrong.append(f"{want['session_id']}.{name}: {have[name]!r}, not {want[name]!r}")
    return wrong


def tables():
    import pandas as pd
    import pyarrow as pa

    kinds = {name: pa.string() for name in COLUMNS} | {name: pa.timestamp("us", "UTC") for name in TIMES}
    kinds["time_in_workflow"] = pa.float64()
    values = [{name: instant(value) if name in TIMES else value for name, value in row.items()} for row in ROWS]
    arrow = pa.Table.from_pylist(values, schema=pa.schema(kinds.items()))
    return arrow, pd.DataFrame(values)


def written():
    """Writes every file; yields tool, what was called, the path, and the flags that it is read with."""
    import chdb
    import deltalake
    import duckdb
    import fastavro
    import polars as pl
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    arrow, frame = tables()
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.register("t", arrow)
    for name, options, flags in [
        ("duckdb.csv", "", []),
        ("duckdb.tsv", "(delimiter '\t', format csv)", []),
        ("duckdb.parquet", "", []),
        ("duckdb.ndjson", "(format json)", []),
        ("duckdb.json", "(format json, array true)", []),
    ]:
        db.execute(f"copy t to '{WORK / name}' {options}")
        yield "duckdb", f"COPY … {options}".replace("\t", "\\t").strip(), name, flags
    db.execute(f"copy t to '{WORK / 'duckdb_hive'}' (format parquet, partition_by (communication_type))")
    yield "duckdb", "COPY … (PARTITION_BY (communication_type))", "duckdb_hive", []

    for call, name in [
        ("to_csv(index=False)", "pandas.csv"),
        ("to_csv(index=False, sep='\\t')", "pandas.tsv"),
        ("to_json(orient='records', lines=True, date_format='epoch', date_unit='us')", "pandas.ndjson"),
        ("to_json(orient='records', date_format='iso', date_unit='us')", "pandas.json"),
        ("to_parquet()", "pandas.parquet"),
    ]:
        method, options = call.split("(", 1)
        getattr(frame, method)(WORK / name, **eval(f"dict({options}"))
        yield "pandas", call, name, []
    plain = frame.assign(**{name: pd_naive(frame[name]) for name in TIMES})
    plain.to_excel(WORK / "pandas.xlsx", index=False)
    yield "pandas", "to_excel(index=False), times without zone", "pandas.xlsx", []

    pf = pl.from_arrow(arrow)
    for call, name in [
        ("write_csv", "polars.csv"),
        ("write_ndjson", "polars.ndjson"),
        ("write_json", "polars.json"),
        ("write_parquet", "polars.parquet"),
        ("write_ipc", "polars.arrow"),
    ]:
        getattr(pf, call)(WORK / name)
        yield "polars", f"{call}()", name, []

    pyarrow.csv.write_csv(arrow, WORK / "pyarrow.csv")
    yield "pyarrow", "csv.write_csv", "pyarrow.csv", []
    pyarrow.parquet.write_table(arrow, WORK / "pyarrow.parquet")
    yield "pyarrow", "parquet.write_table", "pyarrow.parquet", []
    pyarrow.parquet.write_table(arrow, WORK / "pyarrow_int96.parquet", use_deprecated_int96_timestamps=True)
    yield "pyarrow", "parquet.write_table, INT96", "pyarrow_int96.parquet", ["--time-zone", "Europe/Berlin"]
    pyarrow.feather.write_feather(arrow, WORK / "pyarrow.feather")
    yield "pyarrow", "feather.write_feather", "pyarrow.feather", []

    for form, name, flags in [
        ("CSVWithNames", "chdb.csv", ["--dialect", "clickhouse-csv"]),
        ("TabSeparatedWithNames", "chdb.tsv", ["--dialect", "clickhouse-tsv"]),
        ("JSONEachRow", "chdb.ndjson", []),
        ("JSON", "chdb.json", ["--records", "$.data"]),
        ("JSONCompactEachRowWithNames", "chdb_compact.ndjson", []),
        ("Parquet", "chdb.parquet", []),
        ("Arrow", "chdb.arrow", []),
    ]:
        source = f"file('{WORK / 'pyarrow.parquet'}', Parquet)"
        (WORK / name).write_bytes(chdb.query(f"select * from {source}", form).bytes())
        yield "chdb (ClickHouse)", f"FORMAT {form}", name, flags

    deltalake.write_deltalake(WORK / "delta", arrow)
    yield "deltalake", "write_deltalake", "delta", []
    deltalake.write_deltalake(WORK / "delta_parts", arrow, partition_by=["communication_type"])
    yield "deltalake", "write_deltalake(partition_by=…)", "delta_parts", []

    schema = {
        "type": "record",
        "name": "session",
        "fields": [
            {"name": name, "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]}
            if name in TIMES
            else {"name": name, "type": ["null", "double" if name == "time_in_workflow" else "string"]}
            for name in COLUMNS
        ],
    }
    with open(WORK / "fastavro.avro", "wb") as file:
        fastavro.writer(file, schema, arrow.to_pylist())
    yield "fastavro", "writer", "fastavro.avro", []

    run("--lake", "own", "ingest", "pyarrow.parquet", "--exported-at", EXPORTED)
    for form in ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "xlsx"]:
        run("--lake", "own", "query", "-c", "select * from workflow_sessions", "-o", f"own.{form}")
        yield "sessionlake", f"query -o x.{form}", f"own.{form}", []


def pd_naive(column):
    import pandas as pd

    return pd.to_datetime(column).dt.tz_localize(None)


def main():
    WORK.mkdir(parents=True)
    lines, failed = [], 0
    keep = Path("data/interop")
    keep.mkdir(exist_ok=True)
    kept = []
    for number, (tool, call, name, flags) in enumerate(written()):
        code, out, err = run("--lake", f"lake{number}", "ingest", name, *flags, "--exported-at", EXPORTED)
        if code == 0:
            wrong = differences(stored(f"lake{number}"))
            outcome = "equal" if not wrong else "differs: " + "; ".join(wrong)
        else:
            outcome = "refused: " + err.strip().splitlines()[0].removeprefix("error: ") if err else out
        version = "this version" if tool == "sessionlake" else importlib.metadata.version(tool.split()[0])
        print(f"{tool} {call}: {outcome}")
        failed += outcome != "equal"
        lines.append(f"| {tool} {version} | `{call}` | {' '.join(f'`{flag}`' for flag in flags)} | {outcome} |")
        path = WORK / name
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
        if tool != "sessionlake" and outcome == "equal" and size <= (KEPT_FOLDER_BYTES if path.is_dir() else KEPT_BYTES):
            if path.is_dir():
                shutil.rmtree(keep / name, ignore_errors=True)
                shutil.copytree(path, keep / name)
            else:
                shutil.copy(path, keep / name)
            kept.append({"file": name, "tool": f"{tool} {version}", "call": call, "flags": flags})
    (keep / "files.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (keep / "expected.ndjson").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS))
    page = Path("docs/interop.md")
    before, rest = page.read_text().split("<!-- table -->\n")[0:2] if page.exists() else ("", "")
    after = rest.split("<!-- end of table -->\n")[1] if "<!-- end of table -->\n" in rest else ""
    table = ["| written by | with | read with | outcome |", "| --- | --- | --- | --- |", *lines]
    page.write_text(before + "<!-- table -->\n" + "\n".join(table) + "\n<!-- end of table -->\n" + after)
    print(f"{len(lines)} files, {len(lines) - failed} equal")


main()
