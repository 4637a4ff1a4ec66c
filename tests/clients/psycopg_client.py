"""What psycopg 3 gets: text and binary, server cursors, several statements, errors: one line a fact."""

import sys

import psycopg
from psycopg.types import TypeInfo


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {type(error).__name__} {str(error).splitlines()[0]}")


def main(url):
    with psycopg.connect(url) as connection:
        three = "select session_id, started_at, time_in_workflow, ended_at is null from workflow_sessions order by session_id limit 3"
        for name, binary in [("binary", True), ("text", False)]:
            show(name, lambda: [(row[0], row[1].isoformat(), *row[2:]) for row in connection.execute(three, binary=binary).fetchall()])
        show("parameters", lambda: connection.execute("select count(*) from workflow_sessions where communication_type = %s and time_in_workflow > %s", ("Phone", 1.5)).fetchone())
        show("list", lambda: connection.execute("select count(*) from workflow_sessions where communication_type = any(%s)", (["Phone", "Email"],)).fetchone())
        show("literals", lambda: connection.execute("select %s::text, %s::int8, %s::bool", ("x", 7, True)).fetchone())
        show("type", lambda: TypeInfo.fetch(connection, "text").oid)
        show("type none", lambda: TypeInfo.fetch(connection, "nothing_such"))
        show("type array", lambda: TypeInfo.fetch(connection, "timestamptz").array_oid)

        def cursor():
            with connection.cursor("some_name") as named:
                named.itersize = 5
                named.execute("select session_id from workflow_sessions order by session_id limit 17")
                return [row[0] for row in named]

        show("cursor", cursor)
        show("prepared", lambda: [connection.execute("select count(*) from workflow_sessions where communication_type = %s", ("Phone",), prepare=True).fetchone() for _ in range(3)])

        def copied():
            with connection.cursor() as some, some.copy("copy (select session_id, time_in_workflow from workflow_sessions order by session_id limit 2) to stdout") as copy:
                return [bytes(part) for part in copy]

        show("copy", copied)
        show("settings", lambda: [connection.info.parameter_status(name) for name in ("standard_conforming_strings", "client_encoding", "integer_datetimes", "DateStyle")])

        def refused(statement):
            try:
                connection.execute(statement)
                return "taken"
            except psycopg.Error as error:
                connection.rollback()
                return error.sqlstate

        connection.rollback()
        show("error", lambda: refused("select nothing_of_this_name from workflow_sessions"))
        show("error table", lambda: refused("select 1 from nothing_of_this_name"))
        show("error syntax", lambda: refused("selec 1"))
        show("error zero", lambda: refused("select 1 / 0"))


if __name__ == "__main__":
    main(sys.argv[1])
