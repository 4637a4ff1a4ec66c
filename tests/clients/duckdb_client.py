"""What DuckDB finds in a database that is attached with its extension for PostgreSQL, which reads rows by COPY: one line a fact."""

import glob
import os
import sys

import duckdb
import duckdb_extension_postgres_scanner as extension


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {' / '.join(str(error).splitlines()[:2])}")


def main(host, port):
    path = next(iter(glob.glob(f"{os.path.dirname(extension.__file__)}/extensions/*/postgres_scanner.duckdb_extension")))
    database = duckdb.connect()
    database.execute(f"load '{path}'")
    database.execute("set timezone = 'UTC'")
    database.execute(f"attach 'host={host} port={port} user=postgres dbname=sessionlake' as lake (type postgres, read_only)")

    def rows(sql):
        return database.execute(sql).fetchall()

    show("tables", lambda: sorted((row[2], row[3], row[4]) for row in rows("show all tables") if row[1] == "public"))
    show("count", lambda: rows("select count(*) from lake.workflow_sessions"))
    show("rows", lambda: [tuple(str(value) for value in row) for row in rows("select * from lake.public.workflow_sessions order by session_id limit 3")])
    show("a view", lambda: rows("select count(*), max(started_at)::varchar from lake.active_sessions"))
    show("a name with blanks", lambda: rows('select "Communication Type", count(*) from lake."Workflow Sessions" group by 1 order by 1'))
    # Filters are sent to the server, those of texts with a collation.
    show("a filter of text", lambda: rows("select count(*) from lake.workflow_sessions where communication_type = 'Phone'"))
    show("a filter of texts", lambda: rows("select communication_type, count(*) from lake.workflow_sessions where communication_type in ('Phone', 'Email') and session_id > '028d01' group by 1 order by 1"))
    show("a filter of times", lambda: rows("select count(*) from lake.workflow_sessions where started_at >= timestamptz '2026-11-12 00:00:00+00' and started_at < timestamptz '2026-11-14 00:00:00+00'"))
    show("a filter of numbers", lambda: rows("select count(*), count(ended_at) from lake.workflow_sessions where time_in_workflow > 100 and ended_at is not null"))
    show("a filter of dates", lambda: rows("select started_at::date::varchar as d, count(*) from lake.workflow_sessions group by 1 order by 1 limit 3"))
    show("a join with a table of its own", lambda: rows("select w.name, count(*) from lake.workflow_sessions s join (values ('Phone', 'calls'), ('Email', 'mails')) w(kind, name) on s.communication_type = w.kind group by 1 order by 1"))
    show("a statement of the server", lambda: rows("select * from postgres_query('lake', 'select communication_type, count(*) as n from workflow_sessions group by 1') order by 1"))

    def copied():
        database.execute("create or replace table copied as select * from lake.workflow_sessions")
        return rows("select count(*), sum(length(data)) from copied")

    show("a copy of a table", copied)
    show("twice in one transaction", lambda: [database.execute("begin") and None, rows("select count(*) from lake.workflow_sessions"), rows("select count(*) from lake.ended_sessions"), database.execute("commit") and None])


if __name__ == "__main__":
    main(*sys.argv[1:3])
