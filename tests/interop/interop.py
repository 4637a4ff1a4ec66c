"""Writes one table with many tools, takes each file in, and compares every cell. See run.sh."""

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

BINARY, WORK = sys.argv[1], Path(sys.argv[2])
# The Python that has Sail: it needs an older client of Spark than Spark's own writers.
SAIL = Path(sys.argv[3]) if len(sys.argv) > 3 else None
# What ClickHouse writes for null where every value is a text.
CLICKHOUSE_NULL = "\u1d3a\u1d41\u1d38\u1d38"
EXPORTED = "2026-11-21T00:00:00Z"
# Files up to this size, and folders, are kept for the tests of the project.
KEPT_BYTES, KEPT_FOLDER_BYTES = 6_000, 16_000

COLUMNS = [
    "action_data", "communication_type", "current_workflow_item_id", "data", "ended_at", "session_id",
    "source_details_phone_number", "source_details", "started_at", "time_in_workflow", "variables_category",
    "variables_sub_category", "version_id", "workflow_id",
]  # fmt: skip
TIMES = ("started_at", "ended_at")
JSONS = ("data", "action_data", "source_details")


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


def differences(found, rows, close_us=0, by_value=False):
    if len(found) != len(rows):
        return [f"{len(found)} rows of {len(rows)}"]
    wrong = []
    for have, want in zip(found, rows):
        for name in COLUMNS:
            same = have[name] == want[name]
            if by_value and name in JSONS and have[name] and want[name]:
                with contextlib.suppress(ValueError):
                    same = same or json.loads(have[name]) == json.loads(want[name])
            if name in TIMES and have[name] and want[name]:
                same = abs(instant(have[name]) - instant(want[name])) <= timedelta(microseconds=close_us)
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
    import openpyxl
    import pandas as pd
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
        ("duckdb_pipes.csv", "(delimiter '|')", ["--delimiter", "|"]),
        ("duckdb_bare.csv", "(header false)", ["--columns", ",".join(COLUMNS)]),
        ("duckdb_null.csv", "(nullstr 'NULL')", ["--null-mark", "NULL"]),
        ("duckdb.csv.gz", "(compression gzip)", []),
        ("duckdb.ndjson.zst", "(format json, compression zstd)", []),
        ("duckdb_zstd.parquet", "(format parquet, compression zstd, parquet_version v2)", []),
    ]:
        db.execute(f"copy t to '{WORK / name}' {options}")
        yield "duckdb", f"COPY … {options}".replace("\t", "\\t").strip(), name, flags
    db.execute(f"copy t to '{WORK / 'duckdb_hive'}' (format parquet, partition_by (communication_type))")
    yield "duckdb", "COPY … (PARTITION_BY (communication_type))", "duckdb_hive", []

    db.execute(f"copy (select * replace (data::json::variant as data) from t) to '{WORK / 'duckdb_variant.parquet'}'")
    yield "duckdb", "COPY … of VARIANT", "duckdb_variant.parquet", []

    # What stands in quotes is declared with them.
    pandas_flags = {
        "pandas_de.csv": ["--decimal-mark", ","],
        "pandas_null.csv": ["--null-mark", '"NULL"'],
        "pandas_split.json": ["--records", "$.data"],
        "pandas_table.json": ["--records", "$.data"],
    }
    for call, name in [
        ("to_csv(index=False)", "pandas.csv"),
        ("to_csv(index=False, sep='\\t')", "pandas.tsv"),
        ("to_csv(index=False, sep=';', decimal=',')", "pandas_de.csv"),
        ("to_csv(index=False, quoting=1, na_rep='NULL')", "pandas_null.csv"),
        ("to_csv(index=False)", "pandas.csv.tar.gz"),
        ("to_csv(index=False)", "pandas.csv.zip"),
        ("to_feather()", "pandas.feather"),
        ("to_json(orient='records', lines=True, date_format='epoch', date_unit='us')", "pandas.ndjson"),
        ("to_json(orient='records', date_format='iso', date_unit='us')", "pandas.json"),
        ("to_json(orient='split', date_format='iso', date_unit='us')", "pandas_split.json"),
        ("to_json(orient='table', date_unit='us')", "pandas_table.json"),
        ("to_parquet()", "pandas.parquet"),
    ]:
        method, options = call.split("(", 1)
        getattr(frame, method)(WORK / name, **eval(f"dict({options}"))
        yield "pandas", call, name, pandas_flags.get(name, [])
    # Documents of columns and of records by key: the command is that of the error.
    for orient, columns_to_rows in [
        ("columns", ". | . as $all | (first(.[]) | keys_unsorted[]) as $row | $all | map_values(.[$row])"),
        ("index", ". | .[]"),
    ]:
        frame.to_json(WORK / f"pandas_{orient}.json", orient=orient, date_format="iso", date_unit="us")
        if not missing("jq", "jq"):
            program_of_jq(f"pandas_{orient}", columns_to_rows)
            yield "pandas", f"to_json(orient='{orient}', …), and jq as the error says", f"pandas_{orient}.ndjson", []
    plain = frame.assign(**{name: pd_naive(frame[name]) for name in TIMES})
    plain.to_excel(WORK / "pandas.xlsx", index=False)
    yield "pandas", "to_excel(index=False), times without zone", "pandas.xlsx", []
    plain.to_excel(WORK / "pandas.ods", index=False, engine="odf")
    yield "pandas", "to_excel(index=False, engine='odf'), times without zone", "pandas.ods", []
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    for values in plain.itertuples(index=False):
        values = [None if pd.isna(value) else value for value in values]
        length = values[COLUMNS.index("time_in_workflow")]
        values[COLUMNS.index("time_in_workflow")] = None if length is None else timedelta(seconds=length)
        book.active.append(values)
    book.save(WORK / "openpyxl.xlsx")
    yield "openpyxl", "append(…), lengths of time as timedelta", "openpyxl.xlsx", []

    pf = pl.from_arrow(arrow)
    for call, name in [
        ("write_csv", "polars.csv"),
        ("write_ndjson", "polars.ndjson"),
        ("write_json", "polars.json"),
        ("write_parquet", "polars.parquet"),
        ("write_ipc", "polars.arrow"),
        ("write_ipc_stream", "polars.arrows"),
    ]:
        getattr(pf, call)(WORK / name)
        yield "polars", f"{call}()", name, []
    pf.write_csv(WORK / "polars_null.csv", separator=";", null_value="NULL")
    yield "polars", "write_csv(separator=';', null_value='NULL')", "polars_null.csv", ["--null-mark", "NULL"]

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
        ("JSONEachRowWithProgress", "chdb_progress.ndjson", ["--records", "$.row"]),
        ("JSON", "chdb.json", ["--records", "$.data"]),
        ("JSONCompact", "chdb_compact.json", ["--records", "$.data"]),
        ("JSONCompactEachRow", "chdb_lists.ndjson", ["--columns", ",".join(COLUMNS)]),
        ("JSONCompactEachRowWithNames", "chdb_names.ndjson", []),
        ("JSONCompactEachRowWithNamesAndTypes", "chdb_types.ndjson", []),
        ("JSONStringsEachRow", "chdb_strings.ndjson", ["--null-mark", CLICKHOUSE_NULL]),
        ("JSONStringsEachRowWithProgress", "chdb_string_progress.ndjson", ["--records", "$.row", "--null-mark", CLICKHOUSE_NULL]),
        ("JSONStrings", "chdb_strings.json", ["--records", "$.data", "--null-mark", CLICKHOUSE_NULL]),
        ("JSONCompactStrings", "chdb_compact_strings.json", ["--records", "$.data", "--null-mark", CLICKHOUSE_NULL]),
        ("JSONCompactStringsEachRow", "chdb_string_lists.ndjson", ["--columns", ",".join(COLUMNS), "--null-mark", CLICKHOUSE_NULL]),
        ("JSONCompactStringsEachRowWithNamesAndTypes", "chdb_string_types.ndjson", ["--null-mark", CLICKHOUSE_NULL]),
        ("CSVWithNamesAndTypes", "chdb_types.csv", ["--dialect", "clickhouse-csv"]),
        ("TabSeparatedWithNamesAndTypes", "chdb_types.tsv", ["--dialect", "clickhouse-tsv"]),
        ("ArrowStream", "chdb.arrows", []),
        ("Avro", "chdb.avro", []),
        ("Parquet", "chdb.parquet", []),
        ("Arrow", "chdb.arrow", []),
    ]:
        source = f"file('{WORK / 'pyarrow.parquet'}', Parquet)"
        (WORK / name).write_bytes(chdb.query(f"select * from {source}", form).bytes())
        yield "chdb (ClickHouse)", f"FORMAT {form}", name, flags
    for form, name, text in [
        ("JSONColumns", "chdb_columns", ". | . as $all | range(first(.[]) | length) as $row | $all | map_values(.[$row])"),
        ("JSONColumnsWithMetadata", "chdb_meta", ".data | . as $all | range(first(.[]) | length) as $row | $all | map_values(.[$row])"),
        ("JSONObjectEachRow", "chdb_object", ". | .[]"),
    ]:
        (WORK / f"{name}.json").write_bytes(chdb.query(f"select * from {source}", form).bytes())
        if not missing("jq", "jq"):
            program_of_jq(name, text)
            yield "chdb (ClickHouse)", f"FORMAT {form}, and jq as the error says", f"{name}.ndjson", []
    (WORK / "chdb_lists_of_columns.json").write_bytes(chdb.query(f"select * from {source}", "JSONCompactColumns").bytes())
    if not missing("jq", "jq"):
        program("jq", "-c", "transpose[]", "chdb_lists_of_columns.json", output="chdb_transposed.ndjson")
        yield "chdb (ClickHouse)", "FORMAT JSONCompactColumns, and jq as the error says", "chdb_transposed.ndjson", ["--columns", ",".join(COLUMNS)]

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
    for codec in ["null", "deflate", "bzip2", "xz"]:
        with open(WORK / f"fastavro_{codec}.avro", "wb") as file:
            fastavro.writer(file, schema, arrow.to_pylist(), codec=codec)
        yield "fastavro", f"writer(codec='{codec}')", f"fastavro_{codec}.avro", []

    for of_tool in (postgresql, mariadb, search_engine, sqlite, jq, miller, libreoffice, spark, sail):
        yield from of_tool()

    run("--lake", "own", "ingest", "pyarrow.parquet", "--exported-at", EXPORTED)
    for form in ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "xlsx"]:
        run("--lake", "own", "query", "-c", "select * from workflow_sessions", "-o", f"own.{form}")
        yield "sessionlake", f"query -o x.{form}", f"own.{form}", []


def missing(tool, program):
    """Says that a tool is left out, unless its program is there."""
    if shutil.which(program):
        return False
    print(f"{tool}: left out, since {program} is not installed")
    return True


def program(*arguments, output=None, text=None):
    """Runs another program; what it prints goes into a file."""
    done = subprocess.run([str(argument) for argument in arguments], input=text, capture_output=True, text=True, cwd=WORK)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    if output:
        (WORK / output).write_text(done.stdout)
    return done.stdout


def program_of_jq(name, text):
    """Runs the program that an error names, after seeing that it is the one."""
    code, _, err = run("--lake", f"lake_{name}", "ingest", f"{name}.json")
    assert code == 3 and f"jq -c '{text}' FILE" in err, err
    program("jq", "-c", text, f"{name}.json", output=f"{name}.ndjson")


def postgresql():
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "/").parent]
    if not (folders[-1] / "initdb").exists():
        return print("PostgreSQL: left out, since initdb is not installed")
    tools = {name: folders[-1] / name for name in ("initdb", "pg_ctl", "psql")}
    # The server does not run as root.
    who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="pg"))
    if who:
        shutil.chown(home, "postgres")
    call = lambda *arguments: program(*who, *arguments)
    call(tools["initdb"], "-D", home / "data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
    call(tools["pg_ctl"], "-D", home / "data", "-w", "-s", "-l", home / "log", "-o", f"-k {home} -c listen_addresses='' -c timezone=UTC", "start")
    try:
        psql = lambda *arguments, text=None, output=None: program(
            tools["psql"], "-h", home, "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1", *arguments, text=text, output=output)
        version = "PostgreSQL " + psql("-At", "-c", "show server_version").split()[0]
        kinds = {name: "text" for name in COLUMNS} | {name: "timestamptz" for name in TIMES} | {"time_in_workflow": "float8"}
        psql("-c", f"create table t ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})")
        psql("-c", f"\\copy t from '{WORK / 'pyarrow.csv'}' csv header")
        copy = lambda name, options: psql("-c", f"\\copy t to '{WORK / name}' {options}")
        copy("postgres.csv", "csv header")
        yield version, "\\copy t to … csv header", "postgres.csv", ["--dialect", "postgres-csv"]
        copy("postgres.tsv", "(format text, header)")
        yield version, "\\copy t to … (format text, header)", "postgres.tsv", ["--dialect", "postgres-text"]
        copy("postgres.txt", "")
        yield version, "\\copy t to …", "postgres.txt", ["--dialect", "postgres-text", "--columns", ",".join(COLUMNS)]
        psql("--csv", "-c", "select * from t", output="psql.csv")
        yield version, "psql --csv", "psql.csv", ["--dialect", "postgres-csv"]
        psql("-At", "-c", "select row_to_json(t) from t", output="postgres.ndjson")
        yield version, "row_to_json", "postgres.ndjson", []
        psql("-At", "-c", "select json_agg(t) from t", output="postgres.json")
        yield version, "json_agg", "postgres.json", []
    finally:
        call(tools["pg_ctl"], "-D", home / "data", "-m", "immediate", "-s", "stop")
        shutil.rmtree(home)


def mariadb():
    if missing("MariaDB", "mariadbd") or missing("MariaDB", "mariadb-install-db"):
        return
    home = Path(tempfile.mkdtemp(prefix="mdb"))
    user = ["--user=root"] if os.geteuid() == 0 else []
    program("mariadb-install-db", "--no-defaults", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal", "--skip-test-db", *user)
    server = subprocess.Popen(
        ["mariadbd", "--no-defaults", f"--datadir={home / 'data'}", f"--socket={home / 's'}", "--skip-networking", "--secure-file-priv=", *user],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        client = ["mariadb", "--no-defaults", "-S", home / "s", "-u", "root", "--default-character-set=utf8mb4"]
        for _ in range(120):
            if subprocess.run([*map(str, client), "-e", "select 1"], capture_output=True).returncode == 0:
                break
            time.sleep(0.5)
        call = lambda *arguments, output=None: program(*client, *arguments, output=output)
        version = "MariaDB " + call("-N", "-B", "-e", "select version()").split("-")[0]
        kinds = {name: "text" for name in COLUMNS} | {name: "datetime(6)" for name in TIMES} | {"time_in_workflow": "double"}
        call("-e", f"create database d character set utf8mb4; create table d.t ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})")
        literal = lambda value: "null" if value is None else str(value) if isinstance(value, float) else f"convert(x'{value.encode().hex()}' using utf8mb4)"
        for values in ROWS:
            plain = {name: value and value.rstrip("Z").replace("T", " ") if name in TIMES else value for name, value in values.items()}
            call("-e", f"insert into d.t values ({', '.join(map(literal, plain.values()))})")
        select = "select * from d.t order by session_id"
        call("--batch", "-e", select, output="mariadb_batch.tsv")
        yield version, "--batch", "mariadb_batch.tsv", ["--dialect", "mysql"]
        columns = ["--columns", ",".join(COLUMNS)]
        call("-e", f"{select} into outfile '{WORK / 'mariadb.tsv'}'")
        yield version, "into outfile", "mariadb.tsv", ["--dialect", "mysql", *columns]
        call("-e", f"{select} into outfile '{WORK / 'mariadb.csv'}' fields terminated by ',' optionally enclosed by '\"'")
        yield version, "into outfile … fields terminated by ',' optionally enclosed by '\"'", "mariadb.csv", ["--dialect", "mysql-csv", *columns]
        members = ", ".join(f"'{name}', {name}" for name in COLUMNS)
        call("-N", "-B", "-r", "-e", f"select json_object({members}) from d.t", output="mariadb.ndjson")
        yield version, "-N -B -r, json_object", "mariadb.ndjson", []
        call("-N", "-B", "-r", "-e", f"set group_concat_max_len = 1000000; select json_arrayagg(json_object({members})) from d.t", output="mariadb.json")
        yield version, "-N -B -r, json_arrayagg", "mariadb.json", []
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home)


def search_engine():
    """Answers of Elasticsearch's search and of elasticdump, as their documentation has them: no server is run."""
    hit = lambda row: {"_index": "sessions", "_id": row["session_id"], "_score": 1.0, "_source": row}
    answer = {"took": 3, "timed_out": False, "hits": {"total": {"value": len(ROWS)}, "hits": [hit(row) for row in ROWS]}}
    (WORK / "search.json").write_text(json.dumps(answer))
    yield "Elasticsearch (by its documentation) 9", "_search", "search.json", ["--records", "$.hits.hits[*]._source"]
    (WORK / "search.ndjson").write_text("".join(json.dumps(hit(row)) + "\n" for row in ROWS))
    yield "elasticdump (by its documentation) 6", "--type=data", "search.ndjson", ["--records", "$._source"]


def sqlite():
    if missing("SQLite", "sqlite3"):
        return
    version = "SQLite " + program("sqlite3", "--version").split()[0]
    with contextlib.closing(sqlite3.connect(WORK / "sqlite.db")) as db:
        db.execute(f"create table t ({', '.join(COLUMNS)})")
        db.executemany(f"insert into t values ({', '.join('?' for _ in COLUMNS)})", [list(row.values()) for row in ROWS])
        db.commit()
    for mode, flags, ending in [
        ("csv", ["--dialect", "sqlite"], "csv"),
        ("json", [], "json"),
        ("quote", ["--dialect", "sqlite-quote"], "txt"),
        ("tcl", ["--dialect", "sqlite-tcl"], "txt"),
    ]:
        name = f"sqlite_{mode}.{ending}"
        # Older programs have no flag for each mode.
        program("sqlite3", "-header", "-cmd", f".mode {mode}", "sqlite.db", "select * from t", output=name)
        yield version, f".mode {mode}", name, flags


def jq():
    if missing("jq", "jq"):
        return
    version = "jq " + program("jq", "--version").strip().removeprefix("jq-")
    (WORK / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    rows = "(.[0] | keys_unsorted), (.[] | [.[]])"
    program("jq", "-s", ".", "rows.ndjson", output="jq.json")
    yield version, "-s .", "jq.json", []
    program("jq", "-c", ".", "rows.ndjson", output="jq.ndjson")
    yield version, "-c .", "jq.ndjson", []
    program("jq", "-s", "{data: .}", "rows.ndjson", output="jq_wrapped.json")
    yield version, "-s '{data: .}'", "jq_wrapped.json", ["--records", "$.data"]
    program("jq", "-sc", rows, "rows.ndjson", output="jq_lists.ndjson")
    yield version, "-c, lists behind their names", "jq_lists.ndjson", []
    program("jq", "-sr", f"{rows} | @csv", "rows.ndjson", output="jq.csv")
    yield version, "@csv", "jq.csv", []
    program("jq", "-sr", f"{rows} | @tsv", "rows.ndjson", output="jq.tsv")
    yield version, "@tsv", "jq.tsv", ["--escape", "backslash", "--quote", "none"]


def miller():
    if missing("Miller", "mlr"):
        return
    version = "Miller " + program("mlr", "--version").split()[-1]
    (WORK / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    # As texts, or it would write the JSON in them as its own.
    for form, name, flags in [
        ("csv", "miller.csv", ["--null-mark", "null"]),
        ("tsv", "miller.tsv", ["--escape", "backslash", "--quote", "none", "--null-mark", "null"]),
        ("json", "miller.json", []),
        ("jsonl", "miller.ndjson", []),
    ]:
        program("mlr", "-S", "--ijsonl", f"--o{form}", "cat", "rows.ndjson", output=name)
        yield version, f"--o{form} cat", name, flags


def libreoffice():
    if missing("LibreOffice", "soffice"):
        return
    version = "LibreOffice " + program("soffice", "--version").split()[1]
    for form in ("ods", "xlsx"):
        program("soffice", f"-env:UserInstallation=file://{WORK / 'office'}", "--headless", "--convert-to", form, "--outdir", "libreoffice", "openpyxl.xlsx")
        yield version, f"--convert-to {form}", f"libreoffice/openpyxl.{form}", []


def spark():
    if importlib.util.find_spec("pyspark") is None or missing("Spark", "java"):
        return print("Spark: left out, since pyspark or java is not installed")
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import expr

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    frame = spark.read.parquet(str(WORK / "pyarrow.parquet")).coalesce(1)
    for form, options, flags in [
        ("csv", {"header": True, "ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}, ["--dialect", "spark"]),
        ("json", {}, []),
        ("parquet", {}, []),
    ]:
        getattr(frame.write.options(**options), form)(str(WORK / f"spark_{form}"))
        said = ", ".join(f"{key}={value}" for key, value in options.items())
        yield "pyspark", f"write.{form}({said})", f"spark_{form}", flags
    frame.write.partitionBy("communication_type").parquet(str(WORK / "spark_parts"))
    yield "pyspark", "write.partitionBy(…).parquet", "spark_parts", []
    frame.withColumn("data", expr("parse_json(data)")).write.parquet(str(WORK / "spark_variant"))
    yield "pyspark", "write.parquet of VARIANT", "spark_variant", []
    frame.withColumn("data", expr("named_struct('v', parse_json(data))")).write.parquet(str(WORK / "spark_inner_variant"))
    yield "pyspark", "write.parquet of VARIANT in a struct", "spark_inner_variant", [], with_data("v")
    spark.stop()


def with_data(name):
    """The rows with their data as the member of an object, as JSON or as its text."""
    name, is_text = name.removeprefix("text:"), name.startswith("text:")
    value = lambda data: "null" if data is None else json.dumps(data, ensure_ascii=False) if is_text else data
    inside = lambda row: f'{{"{name}":{value(row["data"])}}}'
    return [row | {"data": inside(row)} for row in ROWS]


def sail():
    if SAIL is None or not SAIL.exists():
        return print("Sail: left out, since its environment was not named")
    told = program(SAIL, Path("tests/interop/sail.py").resolve(), WORK)
    for line in told.splitlines():
        tool, call, name, flags, member = json.loads(line)
        yield tool, call, name, flags, with_data(member) if member else ROWS


def pd_naive(column):
    import pandas as pd

    return pd.to_datetime(column).dt.tz_localize(None)


def main():
    WORK.mkdir(parents=True)
    lines, failed = [], 0
    keep = Path("data/interop")
    keep.mkdir(exist_ok=True)
    kept = []
    for number, (tool, call, name, flags, *expected) in enumerate(written()):
        rows = expected[0] if expected else ROWS
        code, out, err = run("--lake", f"lake{number}", "ingest", name, *flags, "--exported-at", EXPORTED)
        if code == 0:
            found = stored(f"lake{number}")
            wrong = differences(found, rows)
            if not wrong:
                outcome = "equal"
            elif not differences(found, rows, by_value=True):
                outcome = "equal, JSON by its values"
            elif not differences(found, rows, close_us=10):
                outcome = "equal, but for the microseconds that the tool does not keep"
            else:
                outcome = "differs: " + "; ".join(wrong)
        else:
            outcome = "refused: " + err.strip().splitlines()[0].removeprefix("error: ") if err else out
        # Programs say their versions themselves.
        if not tool.split()[-1][0].isdigit():
            tool += " this version" if tool == "sessionlake" else " " + importlib.metadata.version(tool.split()[0])
        print(f"{tool} {call}: {outcome}")
        failed += not outcome.startswith("equal")
        lines.append(f"| {tool} | `{call}` | {' '.join(f'`{flag}`' for flag in flags)} | {outcome} |")
        path = WORK / name
        kept_name = name.replace("/", "_")
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
        if not tool.startswith("sessionlake") and outcome == "equal" and rows is ROWS and size <= (KEPT_FOLDER_BYTES if path.is_dir() else KEPT_BYTES):
            if path.is_dir():
                shutil.rmtree(keep / kept_name, ignore_errors=True)
                shutil.copytree(path, keep / kept_name)
                # Some logs say where the table was made, which is of this run alone.
                for log in (keep / kept_name).glob("_delta_log/*.json"):
                    log.write_text(log.read_text().replace(f"file://{path.resolve().parent}/", "file:///tables/"))
            else:
                shutil.copy(path, keep / kept_name)
            kept.append({"file": kept_name, "tool": tool, "call": call, "flags": flags})
    (keep / "files.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (keep / "expected.ndjson").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS))
    page = Path("docs/interop.md")
    before, rest = page.read_text().split("<!-- table -->\n")[0:2] if page.exists() else ("", "")
    after = rest.split("<!-- end of table -->\n")[1] if "<!-- end of table -->\n" in rest else ""
    table = ["| written by | with | read with | outcome |", "| --- | --- | --- | --- |", *lines]
    page.write_text(before + "<!-- table -->\n" + "\n".join(table) + "\n<!-- end of table -->\n" + after)
    print(f"{len(lines)} files, {len(lines) - failed} equal")


main()
