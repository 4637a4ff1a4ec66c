"""What psqlODBC answers of tables and columns: one line a fact."""

import sys

import pyodbc


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {error}")


def main(settings):
    connection = pyodbc.connect(settings)
    cursor = connection.cursor()
    show("tables", lambda: [(t.table_schem, t.table_name, t.table_type) for t in cursor.tables(schema="public")])
    show("columns", lambda: [(c.column_name, c.type_name, c.data_type, c.nullable, c.ordinal_position) for c in cursor.columns(table="workflow_sessions")])
    show("columns view", lambda: [(c.column_name, c.type_name) for c in cursor.columns(table="active_sessions")])
    show("keys", lambda: [tuple(k) for k in cursor.primaryKeys("workflow_sessions")])
    show("foreign", lambda: [tuple(k) for k in cursor.foreignKeys("workflow_sessions")])
    show("statistics", lambda: [s.index_name for s in cursor.statistics("workflow_sessions")])
    show("special", lambda: [tuple(s)[:2] for s in cursor.rowIdColumns("workflow_sessions")])
    show("procedures", lambda: len(cursor.procedures(schema="public").fetchall()))
    show("types", lambda: {"text", "float8", "int8"} <= {t.type_name for t in cursor.getTypeInfo().fetchall()})
    show("rows", lambda: [tuple(r) for r in cursor.execute("select session_id, started_at, time_in_workflow from workflow_sessions order by 1 limit 2").fetchall()])
    show("parameter", lambda: cursor.execute("select count(*) from workflow_sessions where communication_type = ?", "Phone").fetchone()[0])
    show("product", lambda: connection.getinfo(pyodbc.SQL_DBMS_NAME))


if __name__ == "__main__":
    main(sys.argv[1])
