"""What clients of Arrow Flight SQL get: ADBC's driver, polars and DuckDB through it, and pyarrow's own client, which looks at the messages.

usage: flight_client.py ADDRESS FILE. The file is what `query` answers to `select * from workflow_sessions order by session_id`, as Arrow.
"""

import sys
import threading
import warnings

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
import pyarrow.flight as flight

from facts import fact, refused

ALL = "select * from workflow_sessions order by session_id"
BY_TYPE = "select communication_type, count(*) as n from workflow_sessions group by 1 order by 1"
LARGE = "select value, repeat('x', 300) as text from generate_series(1, 100000) order by value"
# Values of every kind that an answer may have.
KINDS = [
    "struct(1, 'x')", "map([arrow_cast('a', 'Utf8View')], [arrow_cast('b', 'Utf8View')])", "interval '1 day'", "arrow_cast('a', 'Dictionary(Int32, Utf8)')", "map(['a'], [1])", "1::decimal(20, 3)", "time '10:00'", "null",
    "[1, 2]", "['a', null]", "arrow_cast('a', 'LargeUtf8')", "[arrow_cast('a', 'Utf8View')]", "struct(arrow_cast('a', 'Dictionary(Int32, Utf8)'))", "[]", "now()",
    "current_date", "arrow_cast(1, 'UInt64')", "make_array(struct(1, ['x']))", "true", "'NaN'::double", "arrow_cast('a', 'BinaryView')",
    "arrow_cast([1, 2], 'FixedSizeList(2, Int64)')", "timestamp '2026-11-20 09:00:00'",
]
# What the specification of Flight SQL says of lists: each column with its type, and a sign where it is never null.
CATALOGS = "catalog_name string!"
SCHEMAS = "catalog_name string, db_schema_name string!"
TABLES = "catalog_name string, db_schema_name string, table_name string!, table_type string!"
PRIMARY = "catalog_name string, db_schema_name string, table_name string!, column_name string!, key_name string, key_sequence int32!"
FOREIGN = ("pk_catalog_name string, pk_db_schema_name string, pk_table_name string!, pk_column_name string!, fk_catalog_name string, fk_db_schema_name string, "
           "fk_table_name string!, fk_column_name string!, key_sequence int32!, fk_key_name string, pk_key_name string, update_rule uint8!, delete_rule uint8!")
# Of SqlInfo: the name, that it only reads, SQL, Substrait, transactions.
INFO = {0: "sessionlake", 3: True, 4: True, 5: False, 8: 0}


def message(*fields):
    """Writes a message of Protocol Buffers, of numbers and texts."""
    def number(n):
        out = bytearray()
        while n > 127:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes([*out, n])

    def field(place, value):
        if isinstance(value, int):
            return number(place << 3) + number(value)
        value = value.encode() if isinstance(value, str) else value
        return number(place << 3 | 2) + number(len(value)) + value

    return b"".join(field(*one) for one in fields)


def command(name, *fields):
    """Writes a command of Flight SQL."""
    return message((1, f"type.googleapis.com/arrow.flight.protocol.sql.{name}"), (2, message(*fields)))


def of_adbc(address, expected):
    def asked(sql, parameters=None, connection=None):
        with (connection or plain).cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetch_arrow_table()

    def lists(depth):
        found = plain.adbc_get_objects(depth=depth).read_all().to_pylist()
        return [(c["catalog_name"], s["db_schema_name"], sorted((t["table_name"], t["table_type"], len(t["table_columns"] or [])) for t in s["db_schema_tables"] or []))
                for c in found for s in c["catalog_db_schemas"] or []]

    with adbc.connect(address, autocommit=True) as plain:
        fact("all columns of all sessions", lambda: asked(ALL).cast(expected.schema).equals(expected) and asked(ALL).num_columns, 14)
        fact("no column is a view", lambda: [str(kind) for kind in asked(ALL).schema.types if "view" in str(kind)], [])
        fact("parameters", lambda: asked("select count(*) as n from workflow_sessions where communication_type = $1 and time_in_workflow > $2", ["Phone", 1.5]).to_pylist(),
             asked("select count(*) as n from workflow_sessions where communication_type = 'Phone' and time_in_workflow > 1.5").to_pylist())
        fact("parameters of types", lambda: asked("select $1 + 1 as a, $2 || 'b' as b, $3::boolean as c, $4::text is null as d", [1, "a", True, None]).to_pylist(),
             [{"a": 2, "b": "ab", "c": True, "d": True}])
        fact("parameters of no known type", lambda: asked("select $1 as a, $2 as b, $3 as c", [7, 1.5, b"x"]).to_pylist(), [{"a": 7, "b": 1.5, "c": b"x"}])
        with plain.cursor() as cursor:
            fact("prepared: its parameters", lambda: len(cursor.adbc_prepare("select count(*) as n from workflow_sessions where started_at > $1 and communication_type = $2")), 2)
            found = "select count(*) as n from workflow_sessions where communication_type = $1"
            fact("prepared: again and again", lambda: [(cursor.execute(found, [kind]), cursor.fetchone())[1] for kind in ("Phone", "Email", "Phone", "none")], [(172,), (10,), (172,), (0,)])
            fact("described without rows", lambda: cursor.adbc_execute_schema(ALL).names, expected.schema.names)

            def portions():
                parts, schema = cursor.adbc_execute_partitions(BY_TYPE)
                cursor.adbc_read_partition(parts[0])
                return len(parts), schema.equals(cursor.fetch_arrow_table().schema)

            fact("one part, which is as described", portions, (1, True))
        fact("catalogues, schemas, tables", lambda: [len(lists(depth)) for depth in ("catalogs", "db_schemas", "tables", "all")], [0, 1, 1, 1])
        fact("tables", lambda: [(name, kind, columns) for name, kind, columns in lists("all")[0][2] if name in ("workflow_sessions", "active_sessions", "Workflow Sessions")],
             [("Workflow Sessions", "VIEW", 14), ("active_sessions", "VIEW", 14), ("workflow_sessions", "TABLE", 14)])
        fact("kinds of tables", lambda: plain.adbc_get_table_types(), ["TABLE", "VIEW"])
        fact("columns of a table", lambda: plain.adbc_get_table_schema("workflow_sessions").equals(asked("select * from workflow_sessions").schema), True)
        fact("who it is", lambda: plain.adbc_get_info()["vendor_name"], "sessionlake")
        refused("a column that is not there", lambda: asked("select nope from workflow_sessions"), "no column", "1:8", "hint: the columns are", "InvalidArgument")
        refused("a table that is not there", lambda: asked("select 1 from workflow_session"), "did you mean", "InvalidArgument")
        refused("syntax", lambda: asked("selec 1"), "1:1", "InvalidArgument")
        refused("an error of a long statement", lambda: asked(f"select nope, '{'x' * 1_000_000}' as y from workflow_sessions"), "no column", "1:8", "hint: the columns are")
        refused("an error on the way", lambda: asked("select 1 / (value - 2) from generate_series(1, 2)"), "division by zero")
        refused("two statements", lambda: asked("select 1; select 2"), "more than one statement")
        for what in ("delete from workflow_sessions", "create table t as select 1", "set x = 1", "copy workflow_sessions to 'x.csv'", "explain insert into quarantine select * from quarantine"):
            refused(f"refused: {what}", lambda: asked(what), "a server only reads")
        with plain.cursor() as cursor:
            refused("an update", lambda: cursor.executemany("select $1::bigint", [[1], [2]]), "a server only reads")
            refused("ingestion", lambda: cursor.adbc_ingest("t", pa.table({"a": [1]}), mode="create"), "a server only reads")
        refused("a cast of all", lambda: asked("select cast(session_id as bigint) from workflow_sessions"), "cannot")
        fact("after errors", lambda: asked("select 1 as one").to_pylist(), [{"one": 1}])
        # What statements see, by headers.
        for name, value, sql, seen in [
            ("time-zone", "Asia/Tokyo", "select extract(hour from timestamp '2026-11-20 09:00:00'::timestamptz at time zone 'UTC')::bigint as v", 0),
            ("as-of", "2026-11-01T00:00:00Z", "select extract(month from now())::bigint * 100 + extract(day from now())::bigint as v", 1101),
            ("version", "1", "select count(*) as v from workflow_sessions", 240),
        ]:
            def header():
                with adbc.connect(address, db_kwargs={f"adbc.flight.sql.rpc.call_header.x-sessionlake-{name}": value}, autocommit=True) as other:
                    return asked(sql, connection=other).to_pylist()[0]["v"]

            fact(f"header of the {name}", header, seen)
        for name, value in [("version", "99"), ("version", "x"), ("as-of", "x"), ("time-zone", "Mars/Phobos")]:
            def wrong():
                with adbc.connect(address, db_kwargs={f"adbc.flight.sql.rpc.call_header.x-sessionlake-{name}": value}, autocommit=True) as other:
                    return asked("select 1", connection=other)

            refused(f"header of the {name} {value}", wrong, value)

        def stopped():
            with plain.cursor() as cursor:
                cursor.execute("select count(*) as n from generate_series(1, 1000000000000)")
                timer = threading.Timer(0.5, cursor.adbc_cancel)
                timer.start()
                try:
                    return cursor.fetch_arrow_table()
                finally:
                    timer.cancel()

        refused("cancel", stopped, "cancel")

        def left():
            with plain.cursor() as cursor:
                cursor.execute("select value as n from generate_series(1, 1000000000000)")
                reader = cursor.fetch_record_batch()
                return reader.read_next_batch().num_rows > 0

        fact("an answer that is left in the middle", left, True)
        with plain.cursor() as cursor:
            def streamed():
                cursor.execute(LARGE)
                rows, most = 0, 0
                for batch in cursor.fetch_record_batch():
                    rows, most = rows + batch.num_rows, max(most, batch.nbytes)
                return rows, most < 4 << 20

            fact("a large answer, in messages under four megabytes", streamed, (100000, True))
        counts = [tuple(row.values()) for row in asked(BY_TYPE).to_pylist()]
        try:
            import polars
            fact("polars.read_database", lambda: polars.read_database(BY_TYPE, plain).rows(), counts)
        except ImportError as error:
            print(f"polars\tleft out: {error}")
        try:
            import duckdb
            with plain.cursor() as cursor:
                def over():
                    cursor.execute("select * from workflow_sessions")
                    answer = cursor.fetch_record_batch()  # noqa: F841: DuckDB finds it by its name.
                    return duckdb.connect().execute("select communication_type, count(*) from answer group by 1 order by 1").fetchall()

                fact("DuckDB over ADBC's stream", over, counts)
        except ImportError as error:
            print(f"duckdb\tleft out: {error}")


def of_pyarrow(address, expected):
    client = flight.FlightClient(address)

    def described(name, *fields):
        return client.get_flight_info(flight.FlightDescriptor.for_command(command(name, *fields)))

    def fetched(name, *fields):
        info = described(name, *fields)
        reader = client.do_get(info.endpoints[0].ticket)
        table = reader.read_all()
        if info.schema.serialize() != table.schema.serialize():
            raise ValueError(f"described as {info.schema}, and sent as {table.schema}")
        return table

    def columns(table):
        return ", ".join(f"{field.name} {field.type}{'' if field.nullable else '!'}" for field in table.schema)

    fact("pyarrow: all columns", lambda: fetched("CommandStatementQuery", (1, ALL)).cast(expected.schema).equals(expected), True)
    for kind in KINDS:
        fact(f"pyarrow: described as it is sent: {kind}", lambda: fetched("CommandStatementQuery", (1, f"select {kind} as v")).num_rows, 1)
        fact(f"pyarrow: and without rows: {kind}", lambda: fetched("CommandStatementQuery", (1, f"select {kind} as v where false")).num_rows, 0)
    table = (3, "workflow_sessions")
    for name, fields, meant, rows in [
        ("CommandGetCatalogs", [], CATALOGS, 1),
        ("CommandGetDbSchemas", [], SCHEMAS, 1),
        ("CommandGetDbSchemas", [(2, "pub%")], SCHEMAS, 1),
        ("CommandGetDbSchemas", [(2, "x%")], SCHEMAS, 0),
        ("CommandGetTables", [(3, "%sessions"), (4, "TABLE")], TABLES, 2),
        ("CommandGetTables", [(3, "workflow_sessions"), (5, 1)], TABLES + ", table_schema binary!", 1),
        ("CommandGetTables", [(1, "other")], TABLES, 0),
        ("CommandGetTableTypes", [], "table_type string!", 2),
        ("CommandGetPrimaryKeys", [table], PRIMARY, 0),
        ("CommandGetExportedKeys", [table], FOREIGN, 0),
        ("CommandGetImportedKeys", [table], FOREIGN, 0),
        ("CommandGetCrossReference", [table, (6, "active_sessions")], FOREIGN, 0),
    ]:
        fact(f"pyarrow: {name} {fields}", lambda: (lambda found: (columns(found), found.num_rows))(fetched(name, *fields)), (meant, rows))
    fact("pyarrow: a table's schema in the list", lambda: pa.ipc.read_schema(pa.py_buffer(fetched("CommandGetTables", (3, "workflow_sessions"), (5, 1))["table_schema"][0].as_py())).names, expected.schema.names)
    fact("pyarrow: SqlInfo", lambda: {row["info_name"]: row["value"] for row in fetched("CommandGetSqlInfo").to_pylist() if row["info_name"] in INFO}, INFO)
    fact("pyarrow: one of SqlInfo", lambda: fetched("CommandGetSqlInfo", (1, 3)).to_pylist(), [{"info_name": 3, "value": True}])
    fact("pyarrow: types", lambda: {"bigint", "text", "double precision", "timestamp"} <= set(fetched("CommandGetXdbcTypeInfo")["type_name"].to_pylist()), True)
    fact("pyarrow: one type", lambda: fetched("CommandGetXdbcTypeInfo", (1, 12))["type_name"].to_pylist(), ["text"])
    refused("pyarrow: an error of a long statement", lambda: fetched("CommandStatementQuery", (1, f"select nope, '{'x' * 1_000_000}' as y from workflow_sessions")), "no column", "1:8", "hint")
    refused("pyarrow: Substrait", lambda: fetched("CommandStatementSubstraitPlan", (1, message((1, b"x"), (2, "1")))), "not")
    refused("pyarrow: a command that is none", lambda: client.get_flight_info(flight.FlightDescriptor.for_command(b"\xff\xff\xff")), "")
    refused("pyarrow: a path", lambda: client.get_flight_info(flight.FlightDescriptor.for_path("workflow_sessions")), "")
    refused("pyarrow: a ticket of nobody", lambda: client.do_get(flight.Ticket(b"SELECT 1")).read_all(), "")
    refused("pyarrow: another's prepared statement", lambda: client.do_get(flight.Ticket(command("CommandPreparedStatementQuery", (1, b"0123456789abcdef")))).read_all(), "no such prepared statement")
    refused("pyarrow: an upload", lambda: write(client), "")
    fact("pyarrow: after them", lambda: fetched("CommandStatementQuery", (1, "select 1 as one")).to_pylist(), [{"one": 1}])


def write(client):
    table = pa.table({"a": [1]})
    writer, _ = client.do_put(flight.FlightDescriptor.for_command(command("CommandStatementUpdate", (1, "delete from workflow_sessions"))), table.schema)
    with writer:
        writer.write_table(table)


def main(address, path):
    # The driver says that it cannot begin transactions.
    warnings.simplefilter("ignore")
    with pa.memory_map(path) as file:
        expected = pa.ipc.open_file(file).read_all()
    of_adbc(address, expected)
    of_pyarrow(address, expected)


if __name__ == "__main__":
    main(*sys.argv[1:3])
