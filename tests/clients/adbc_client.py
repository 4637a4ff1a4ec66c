"""What ADBC's PostgreSQL driver gets, which fetches every row by COPY: one line a fact."""

import sys

import adbc_driver_postgresql.dbapi as dbapi


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {str(error).splitlines()[0]}")


def main(url):
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        def asked(sql, parameters=None):
            cursor.execute(sql, parameters)
            return cursor.fetch_arrow_table()

        show("rows", lambda: asked("select session_id, started_at, time_in_workflow, ended_at from workflow_sessions order by 1 limit 3").to_pylist())
        show("schema", lambda: str(asked("select session_id, started_at, time_in_workflow from workflow_sessions limit 1").schema.remove_metadata()).split("\n"))
        show("count", lambda: asked("select count(*) as n from workflow_sessions").to_pylist())
        show("table schema", lambda: str(connection.adbc_get_table_schema("workflow_sessions")).split("\n"))
        show("table types", lambda: sorted(connection.adbc_get_table_types()))

        def objects():
            found = connection.adbc_get_objects(depth="all", db_schema_filter="public").read_all().to_pylist()
            return sorted((t["table_name"], t["table_type"], len(t["table_columns"])) for c in found for s in c["catalog_db_schemas"] or []
                          for t in s["db_schema_tables"] or [])

        show("objects", objects)
        show("polars", lambda: __import__("polars").read_database("select communication_type, count(*) as n from workflow_sessions group by 1 order by 1", connection).rows())


if __name__ == "__main__":
    main(sys.argv[1])
