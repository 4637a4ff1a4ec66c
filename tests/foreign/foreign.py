"""Changes lakes with Python's deltalake and compares the answers of sessionlake with those of DuckDB. See run.sh."""

import csv
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Field, WriterProperties, write_deltalake
from deltalake.schema import PrimitiveType

BINARY, WORK = sys.argv[1], Path(sys.argv[2])
ONLY = sys.argv[3:]
DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)
NAMES = ["Session Id", "Started At", "Ended At", "Time in Workflow", "Workflow Id", "Communication Type", "Data"]


def state(number, changed=False):
    start = DAY + timedelta(minutes=number, microseconds=number * 7 + 1)
    ended = number % 3 or changed
    end = start + timedelta(seconds=60 + number, microseconds=number)
    return {
        "Session Id": f"s{number:03}",
        "Started At": start.isoformat(),
        "Ended At": end.isoformat() if ended else "",
        "Time in Workflow": "" if number % 10 == 7 else f"{number * 1.25 + (1000 if changed else 0)}",
        "Workflow Id": f"w-{number % 4}",
        "Communication Type": ["Phone", "Email", ""][number % 3],
        "Data": json.dumps({"step": number, "tier": ["gold", "silver"][number % 2], "changed": changed}),
    }


def run(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, cwd=WORK)
    return done.returncode, done.stdout, done.stderr


def take(lake, name, states, hour):
    with open(WORK / name, "w", newline="") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        writer.writerows(states)
    exported = (DAY + timedelta(days=1, hours=hour)).isoformat()
    return run("--lake", lake, "-q", "ingest", name, "--exported-at", exported)


# What both are asked: SQL that means the same to both.
QUESTIONS = [
    "select count(*), count(ended_at), count(time_in_workflow), count(communication_type), count(data) from {t}",
    "select count(distinct session_id), count(distinct workflow_id) from {t}",
    "select min(session_id), max(session_id), min(workflow_id), max(workflow_id) from {t}",
    "select min(extract(epoch from started_at) * 1000000)::bigint, max(extract(epoch from started_at) * 1000000)::bigint from {t}",
    "select min(time_in_workflow), max(time_in_workflow), sum(case when time_in_workflow between -1e9 and 1e9 then time_in_workflow end) from {t}",
    "select workflow_id, count(*), count(ended_at) from {t} group by 1 order by 1 nulls last",
    "select communication_type, count(*) from {t} group by 1 order by 1 nulls last",
    "select count(*) from {t} where started_at > '2026-11-20T01:00:00.000420Z'",
    "select count(*) from {t} where started_at >= '2026-11-20T01:00:00.000421Z'",
    "select count(*) from {t} where started_at = '2026-11-20T01:00:00.000421Z'",
    "select count(*) from {t} where started_at < '2026-11-20T00:00:00.000500Z'",
    "select count(*) from {t} where not started_at <= '2026-11-20T02:00:00.000500Z'",
    "select count(*) from {t} where started_at + interval '0 second' > '2026-11-20T01:00:00.000420Z'",
    "select count(*) from {t} where ended_at is null",
    "select count(*) from {t} where ended_at >= '2026-11-20T01:00:00.000500Z'",
    "select count(*) from {t} where time_in_workflow > 100",
    "select count(*) from {t} where time_in_workflow > 1e9",
    "select count(*) from {t} where time_in_workflow + 0 > 1e9",
    "select count(*) from {t} where time_in_workflow <= 100",
    "select count(*) from {t} where not time_in_workflow <= 100",
    "select count(*) from {t} where time_in_workflow between 10 and 20",
    "select count(*) from {t} where time_in_workflow = 'NaN'::double precision",
    "select count(*) from {t} where time_in_workflow is null",
    "select count(*) from {t} where workflow_id = 'w-2'",
    "select count(*) from {t} where workflow_id <> 'w-2'",
    "select count(*) from {t} where workflow_id > 'w-1'",
    "select count(*) from {t} where workflow_id in ('w-0', 'w-3')",
    "select count(*) from {t} where communication_type is null",
    "select count(*) from {t} where session_id = 's042'",
    "select count(*) from {t} where session_id in ('s001', 's119', 'none')",
    "select count(*) from {t} where data like '%gold%'",
    "select count(*) from {t} where data->>'tier' = 'gold'",
    "select data->>'changed', count(*) from {t} group by 1 order by 1 nulls last",
    "select data->>'only', count(*) from {t} group by 1 order by 1 nulls last",
    "select session_id from {t} order by started_at desc, session_id limit 3",
    "select session_id from {t} order by started_at, session_id limit 3",
    "select session_id from {t} order by time_in_workflow desc nulls last, session_id limit 3",
    "select session_id from {t} where workflow_id = 'w-1' order by time_in_workflow nulls last, session_id limit 3",
    "select session_id, workflow_id, time_in_workflow from {t} where session_id like 's%' order by session_id nulls last",
]  # fmt: skip


def plain(value):
    if value is None or value == "":
        return ""
    try:
        return f"{float(value):.6g}"
    except (TypeError, ValueError):
        return str(value)


def ours(lake):
    """Asks all questions in one session, or, where one is an error, each in its own."""
    questions = [question.format(t="workflow_sessions") for question in QUESTIONS]
    code, out, _ = run("--lake", lake, "query", "--csv", "-c", ";".join(f"{question}; select '@' as \"@\"" for question in questions))
    if code == 0:
        return [parsed(part.strip("\n").split("\n")) for part in out.split("@\n@\n")[: len(questions)]]
    answers = []
    for question in questions:
        code, out, err = run("--lake", lake, "query", "--csv", "-c", question)
        answers.append(err.strip().splitlines()[0] if code else parsed(out.splitlines()))
    return answers


def parsed(lines):
    return [tuple(plain(value) for value in row) for row in list(csv.reader(lines))[1:] if row]


def rows_of(lake):
    """The rows as deltalake reads them, or DuckDB for what it does not read."""
    return DeltaTable(WORK / lake / "workflow_sessions").to_pyarrow_table()


def theirs(rows):
    connection = duckdb.connect()
    connection.sql("set TimeZone = 'UTC'")
    connection.register("rows", rows)
    connection.sql("create table t as select * replace (data::json as data) from rows")
    answers = []
    for question in QUESTIONS:
        question = question.replace("double precision", "double").replace("data like", "data::varchar like")
        rows = connection.sql(question.format(t="t")).fetchall()
        answers.append([tuple(plain(value) for value in row) for row in rows])
    return answers


def compared(lake, rows, when=""):
    asked = zip(QUESTIONS, ours(lake), theirs(rows), strict=True)
    return [f"{when}{question}: {str(have)[:160]} and not {str(want)[:160]}" for question, have, want in asked if have != want]


def table_of(lake):
    return DeltaTable(WORK / lake / "workflow_sessions")


def path_of(lake):
    return str(WORK / lake / "workflow_sessions")


def shown(value):
    """A value as it is compared. What is written anew has one zero, as PostgreSQL has."""
    return repr(0.0 if isinstance(value, float) and value == 0 else value)


def other_rows(lake, *numbers, **values):
    """Rows of another program: those of sessions that the lake has not, in the types of the table."""
    schema = rows_of(lake).schema
    columns = {name: [None] * len(numbers) for name in schema.names}
    columns["session_id"] = [f"x{number}" for number in numbers]
    columns["started_at"] = [DAY + timedelta(minutes=number, microseconds=5) for number in numbers]
    columns["workflow_id"] = ["w-9"] * len(numbers)
    columns |= {name: [value] * len(numbers) for name, value in values.items()}
    return pa.table(columns, schema=schema)


def append(lake):
    write_deltalake(path_of(lake), other_rows(lake, 5, 6), mode="append")


def append_nan(lake):
    write_deltalake(path_of(lake), other_rows(lake, 5, time_in_workflow=float("nan")), mode="append")


def append_nan_among_others(lake):
    rows = pa.concat_tables([other_rows(lake, 5, time_in_workflow=float("nan")), other_rows(lake, 6, time_in_workflow=3.0)])
    write_deltalake(path_of(lake), rows, mode="append")


def append_signed_nan(lake):
    # What many processors make of 0/0.
    import struct

    nan = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000000))[0]
    write_deltalake(path_of(lake), other_rows(lake, 5, time_in_workflow=nan), mode="append")


def append_infinities(lake):
    for number, value in [(5, float("inf")), (6, float("-inf")), (7, -0.0)]:
        write_deltalake(path_of(lake), other_rows(lake, number, time_in_workflow=value), mode="append")


def append_few_columns(lake):
    rows = other_rows(lake, 5, 6).select(["session_id", "started_at", "workflow_id"])
    write_deltalake(path_of(lake), rows, mode="append", schema_mode="merge")


def append_with_our_metadata(lake):
    # A table read from a file of ours carries the keys of its footer, and they are written into the new file.
    file = sorted((WORK / lake / "workflow_sessions").glob("ended-*.parquet"))[0]
    rows = pq.read_table(file)
    metadata = rows.schema.metadata
    names = rows_of(lake).schema.names
    data = '{"tier":"gold","only":"in another program\'s file"}'
    new = other_rows(lake, 5, 6, data=data).select(names).replace_schema_metadata(metadata)
    write_deltalake(path_of(lake), new, mode="append")
    # And once written by pyarrow, which puts them into the footer itself.
    name = "part-00000.parquet"
    new = other_rows(lake, 7, data=data).select(names).replace_schema_metadata(metadata)
    pq.write_table(new, WORK / lake / "workflow_sessions" / name)
    from deltalake.transaction import AddAction

    size = (WORK / lake / "workflow_sessions" / name).stat().st_size
    add = AddAction(name, size, {}, 1, True, json.dumps({"numRecords": 1}))
    table_of(lake).create_write_transaction([add], "append", table_of(lake).schema())


def uncompressed(lake):
    properties = WriterProperties(compression="UNCOMPRESSED")
    write_deltalake(path_of(lake), other_rows(lake, 5, 6), mode="append", writer_properties=properties)


def without_statistics(lake):
    none = ColumnProperties(statistics_enabled="NONE")
    properties = WriterProperties(default_column_properties=none)
    write_deltalake(path_of(lake), other_rows(lake, 5, 6, time_in_workflow=2e9), mode="append", writer_properties=properties)


def small_row_groups(lake):
    write_deltalake(path_of(lake), rows_of(lake), mode="overwrite", writer_properties=WriterProperties(max_row_group_size=7))


def overwrite(lake):
    write_deltalake(path_of(lake), rows_of(lake), mode="overwrite")


def overwrite_where(lake):
    rows = rows_of(lake)
    part = rows.filter(pa.compute.equal(rows["workflow_id"], "w-2"))
    write_deltalake(path_of(lake), part, mode="overwrite", predicate="workflow_id = 'w-2'")


def delete(lake):
    table_of(lake).delete("session_id in ('s001', 's004', 's100')")


def delete_by_time(lake):
    table_of(lake).delete("started_at < '2026-11-20T00:10:00Z'")


def delete_all(lake):
    table_of(lake).delete()


def update(lake):
    table_of(lake).update(predicate="session_id = 's010'", updates={"workflow_id": "'w-77'", "time_in_workflow": "12345.5"})


def merge(lake):
    source = other_rows(lake, 5, 6)
    source = source.set_column(source.schema.get_field_index("session_id"), "session_id", pa.array(["s010", "x6"]))
    merged = table_of(lake).merge(source, "t.session_id = s.session_id", source_alias="s", target_alias="t")
    merged.when_matched_update({"workflow_id": "'w-78'"}).when_not_matched_insert_all().execute()


def compact(lake):
    table_of(lake).optimize.compact()


def z_order(lake):
    table_of(lake).optimize.z_order(["workflow_id", "session_id"])


def vacuum(lake):
    compact(lake)
    table_of(lake).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def restore(lake):
    table_of(lake).restore(2)


def repair(lake):
    overwrite(lake)
    table_of(lake).repair()


def checkpoint(lake):
    table_of(lake).create_checkpoint()


def checkpoint_and_cleanup(lake):
    checkpoint(lake)
    table = table_of(lake)
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"})
    table = table_of(lake)
    table.create_checkpoint()
    table.cleanup_metadata()


def compact_logs(lake):
    append(lake)
    table_of(lake).compact_logs(1, 3)


def add_columns(lake):
    table_of(lake).alter.add_columns([Field("note", PrimitiveType("string")), Field("score", PrimitiveType("long"))])


def add_columns_with_values(lake):
    rows = other_rows(lake, 5, 6).append_column("note", pa.array(["a", "b"]))
    write_deltalake(path_of(lake), rows, mode="append", schema_mode="merge")


def all_rows_with_another_column(lake):
    rows = rows_of(lake)
    rows = rows.append_column("note", pa.array([f"note {n}" for n in range(rows.num_rows)]))
    write_deltalake(path_of(lake), rows, mode="overwrite", schema_mode="overwrite")


def fewer_columns(lake):
    rows = rows_of(lake).drop_columns(["_extra", "variables_category"])
    write_deltalake(path_of(lake), rows, mode="overwrite", schema_mode="overwrite")


def other_types(lake):
    rows = rows_of(lake)
    seconds = pa.compute.cast(pa.compute.floor(rows["time_in_workflow"]), pa.int64())
    rows = rows.set_column(rows.schema.get_field_index("time_in_workflow"), "time_in_workflow", seconds)
    write_deltalake(path_of(lake), rows, mode="overwrite", schema_mode="overwrite")


def times_without_zone(lake):
    rows = rows_of(lake)
    for name in ("started_at", "ended_at"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast(pa.timestamp("us")))
    write_deltalake(path_of(lake), rows, mode="overwrite", schema_mode="overwrite")


def columns_in_another_order(lake):
    rows = rows_of(lake)
    write_deltalake(path_of(lake), rows.select(rows.column_names[::-1]), mode="overwrite", schema_mode="overwrite")


def dictionaries(lake):
    rows = rows_of(lake)
    coded = rows.set_column(rows.schema.get_field_index("workflow_id"), "workflow_id", rows["workflow_id"].dictionary_encode())
    write_deltalake(path_of(lake), coded, mode="overwrite")


def constraint(lake):
    table_of(lake).alter.add_constraint({"named": "workflow_id <> ''"})


def constraint_dropped(lake):
    constraint(lake)
    table_of(lake).alter.drop_constraint("named")


def properties(lake):
    table_of(lake).alter.set_table_properties({"delta.logRetentionDuration": "interval 60 days", "delta.dataSkippingNumIndexedCols": "2"})
    append(lake)
    compact(lake)


def append_only(lake):
    table_of(lake).alter.set_table_properties({"delta.appendOnly": "true"})


def change_feed(lake):
    table_of(lake).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    update(lake)


def named_and_described(lake):
    table_of(lake).alter.set_table_name("sessions")
    table_of(lake).alter.set_table_description("another program was here")
    table_of(lake).alter.set_column_metadata("workflow_id", {"comment": "which workflow"})


def partitioned(*columns):
    def change(lake):
        write_deltalake(path_of(lake), rows_of(lake), mode="overwrite", schema_mode="overwrite", partition_by=list(columns))

    return change


def partitioned_by_another_column(lake):
    rows = rows_of(lake)
    days = pa.array([str(value.date()) for value in rows["started_at"].to_pylist()])
    write_deltalake(path_of(lake), rows.append_column("day", days), mode="overwrite", schema_mode="overwrite", partition_by=["day"])


def partitioned_by_odd_values(lake):
    rows = rows_of(lake)
    values = ["", "a b", "50%", "é/x", "k=v", None, "100", "a'b"]
    odd = pa.array([values[n % len(values)] for n in range(rows.num_rows)])
    rows = rows.set_column(rows.schema.get_field_index("variables_category"), "variables_category", odd)
    write_deltalake(path_of(lake), rows, mode="overwrite", schema_mode="overwrite", partition_by=["variables_category"])


def partitioned_and_changed(lake):
    partitioned("workflow_id")(lake)
    write_deltalake(path_of(lake), other_rows(lake, 5, 6), mode="append")
    delete(lake)
    compact(lake)
    checkpoint(lake)


def partitions_undone(lake):
    partitioned("workflow_id")(lake)
    write_deltalake(path_of(lake), rows_of(lake), mode="overwrite", schema_mode="overwrite", partition_by=[])


def partitions_restored(lake):
    partitioned("workflow_id")(lake)
    table_of(lake).restore(3)


def custom_commit(lake):
    write_deltalake(
        path_of(lake), other_rows(lake, 5, 6), mode="append", commit_properties=CommitProperties(custom_metadata={"sessionlake.ledger": "none"})
    )


OPERATIONS = {
    "append": append, "append a NaN": append_nan, "append a NaN among others": append_nan_among_others,
    "append a NaN with a sign": append_signed_nan, "append infinities and -0": append_infinities,
    "append few columns": append_few_columns, "append with our metadata": append_with_our_metadata,
    "append without statistics": without_statistics,
    "append uncompressed": uncompressed, "overwrite in small row groups": small_row_groups,
    "overwrite": overwrite, "overwrite where": overwrite_where, "delete": delete, "delete by time": delete_by_time,
    "delete all": delete_all, "update": update, "merge": merge, "optimize compact": compact, "optimize z-order": z_order,
    "vacuum": vacuum, "restore": restore, "repair": repair, "checkpoint": checkpoint,
    "checkpoint and cleanup": checkpoint_and_cleanup, "compact logs": compact_logs, "add columns": add_columns,
    "add columns with values": add_columns_with_values, "overwrite with another column": all_rows_with_another_column,
    "overwrite with fewer columns": fewer_columns, "overwrite with another type": other_types,
    "overwrite with times without zone": times_without_zone, "overwrite with columns in another order": columns_in_another_order,
    "overwrite with dictionaries": dictionaries, "constraint": constraint, "constraint dropped": constraint_dropped,
    "properties": properties, "append only": append_only, "change data feed": change_feed, "name and description": named_and_described,
    "partition by workflow_id": partitioned("workflow_id"),
    "partition by communication_type, workflow_id": partitioned("communication_type", "workflow_id"),
    "partition by another column": partitioned_by_another_column, "partition by odd values": partitioned_by_odd_values,
    "partition, append, delete, compact, checkpoint": partitioned_and_changed, "partitions undone": partitions_undone,
    "partitions restored": partitions_restored, "metadata of a commit": custom_commit,
}  # fmt: skip

CHANGED, NEW = [1, 10, 11, 60, 119], [200, 201]


def check(name, change, lake):
    """Returns how many answers were compared, which differ, and how the ingest went."""
    for part in range(3):
        code, _, err = take(lake, f"{lake}-{part}.csv", [state(number) for number in range(part * 40, part * 40 + 40)], part)
        assert code == 0, err
    change(lake)
    rows = rows_of(lake)
    differ = compared(lake, rows)
    before = {row["session_id"]: row for row in rows.to_pylist()}
    version = table_of(lake).version()
    states = [state(number, changed=True) for number in CHANGED + NEW]
    code, out, err = take(lake, f"{lake}-more.csv", states, 9)
    after_rows = rows_of(lake).to_pylist()
    after = {row["session_id"]: row for row in after_rows}
    if code:
        told = (err or out).strip().splitlines()[0]
        if table_of(lake).version() != version or after != before and repr(after) != repr(before):
            differ.append(f"refused, and something changed: {told}")
        return len(QUESTIONS) + 1, differ, f"refused: {told}"
    wrong = []
    if len(after_rows) != len(after):
        wrong.append(f"{len(after_rows)} rows of {len(after)} sessions")
    for each in states:
        row = after.get(each["Session Id"])
        if row is None or row["workflow_id"] != each["Workflow Id"] or json.loads(row["data"]) != json.loads(each["Data"]):
            wrong.append(f"{each['Session Id']} is {row}")
    exported = {each["Session Id"] for each in states}
    for session, row in before.items():
        now = after.get(session)
        if session in exported:
            continue
        lost = [key for key, value in row.items() if now is None or shown(now.get(key)) != shown(value)]
        if lost and lost != ["_content_hash"]:
            wrong.append(f"{session} lost {lost}")
    if set(after) != set(before) | exported:
        wrong.append(f"{len(after)} sessions")
    differ += compared(lake, rows_of(lake), "after the ingest: ")
    if wrong:
        differ.append(f"the ingest: {'; '.join(wrong)[:300]}")
    return 2 * len(QUESTIONS) + 1, differ, "taken in"


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    probes = different = 0
    for number, (name, change) in enumerate(OPERATIONS.items()):
        if ONLY and name not in ONLY:
            continue
        try:
            asked, differ, ingest = check(name, change, f"lake{number}")
        except Exception as error:  # noqa: BLE001
            print(f"FAILED  {name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        probes, different = probes + asked, different + len(differ)
        print(f"{'equal  ' if not differ else 'DIFFERS'} {name}: {asked} probes, {len(differ)} differ; the export is {ingest}", flush=True)
        for line in differ:
            print(f"        {line}", flush=True)
    print(f"{probes} probes, {different} differ", flush=True)
    os._exit(1 if different else 0)


main()
