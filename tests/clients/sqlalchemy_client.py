"""What SQLAlchemy's inspector finds, as Superset asks it: one line a fact."""

import sys

import sqlalchemy
from sqlalchemy import create_engine, inspect, text


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {str(error).splitlines()[0]}")


def main(url):
    engine = create_engine(url)
    inspector = inspect(engine)
    show("schemas", lambda: sorted(inspector.get_schema_names()))
    show("default", lambda: inspector.default_schema_name)
    show("tables", lambda: sorted(inspector.get_table_names()))
    show("views", lambda: sorted(inspector.get_view_names()))
    show("matviews", lambda: inspector.get_materialized_view_names())
    show("temporary", lambda: inspector.get_temp_table_names())
    show("has", lambda: [inspector.has_table("workflow_sessions"), inspector.has_table("active_sessions"), inspector.has_table("nothing")])
    for table in ["workflow_sessions", "active_sessions", "Workflow Sessions", "quarantine", "lake_history"]:
        show(f"columns {table}", lambda: [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)])
        show(f"keys {table}", lambda: [inspector.get_pk_constraint(table), inspector.get_foreign_keys(table), inspector.get_indexes(table),
                                       inspector.get_unique_constraints(table), inspector.get_check_constraints(table)])
    show("options", lambda: inspector.get_table_options("workflow_sessions"))
    show("comment", lambda: bool(inspector.get_table_comment("workflow_sessions")))
    show("multi", lambda: sorted((k[1], len(v)) for k, v in inspector.get_multi_columns().items()))
    show("definition", lambda: "workflow_sessions" in inspector.get_view_definition("ended_sessions"))
    show("enums", lambda: inspector.get_enums(schema="public"))
    show("domains", lambda: inspector.get_domains(schema="public"))
    show("sequences", lambda: inspector.get_sequence_names())
    with engine.connect() as connection:
        show("count", lambda: connection.execute(text("select count(*) from workflow_sessions where communication_type = :type"), {"type": "Phone"}).scalar())
        show("instant", lambda: connection.execute(text("select min(started_at) from workflow_sessions")).scalar().isoformat())
        show("isolation", lambda: connection.get_isolation_level())
        table = sqlalchemy.Table("workflow_sessions", sqlalchemy.MetaData(), autoload_with=engine)
        show("reflected", lambda: [c.name for c in table.columns])
        show("rows", lambda: connection.execute(sqlalchemy.select(table.c.session_id).order_by(table.c.session_id).limit(2)).all())
    with engine.connect() as connection:
        # As Superset's SQL Lab tries a connection, and pandas reads.
        import pandas
        show("pandas", lambda: pandas.read_sql("select communication_type, count(*) as sessions from workflow_sessions group by 1 order by 1", connection).to_csv(index=False).split())


if __name__ == "__main__":
    main(sys.argv[1])
