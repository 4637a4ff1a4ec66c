"""What Superset finds by its engine spec of PostgreSQL: one line a fact."""

import datetime
import logging
import sys
import warnings

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

from superset.app import create_app  # noqa: E402


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {type(error).__name__} {' / '.join(str(error).splitlines()[:2])}")


def main(url):
    with create_app().app_context():
        from superset.db_engine_specs.postgres import PostgresEngineSpec as spec
        from superset.extensions import db
        from superset.models.core import Database
        from superset.sql.parse import Table

        db.create_all()
        lake, table = Database(database_name="lake", sqlalchemy_uri=url), Table("workflow_sessions", "public")

        def rows(sql):
            return lake.get_df(sql).astype(str).to_records(index=False).tolist()

        show("schemas", lambda: sorted(lake.get_all_schema_names()))
        show("default schema", lambda: lake.get_default_schema(None))
        show("tables", lambda: sorted(name for name, *_ in lake.get_all_table_names_in_schema(None, "public")))
        show("views", lambda: sorted(name for name, *_ in lake.get_all_view_names_in_schema(None, "public")))
        show("columns", lambda: [(column["column_name"], str(column["type"]), column["nullable"]) for column in lake.get_columns(table)])
        show("columns of a view", lambda: len(lake.get_columns(Table("Workflow Sessions", "public"))))
        show("indexes", lambda: lake.get_indexes(table))
        show("key", lambda: lake.get_pk_constraint(table))
        show("foreign keys", lambda: lake.get_foreign_keys(table))
        show("comment", lambda: lake.get_table_comment(table) != 0)
        show("the first rows", lambda: rows(lake.select_star(table, limit=3, show_cols=False).replace("LIMIT", "ORDER BY session_id LIMIT")))
        show("a data frame", lambda: rows("select communication_type, count(*) as n from workflow_sessions group by 1 order by 1"))
        for grain, expression in spec.get_time_grain_expressions().items():
            sql = f"select {expression.replace('{col}', 'started_at')} as t, count(*) as n from workflow_sessions group by 1 order by 1 limit 5"
            show(f"grain {grain}", lambda: rows(sql))
        for kind in ("TIMESTAMP", "DATE"):
            moment = spec.convert_dttm(kind, datetime.datetime(2026, 11, 13, 12))
            show(f"a filter of {kind}", lambda: rows(f"select count(*) as n from workflow_sessions where started_at >= {moment}"))
        epoch = spec.epoch_to_dttm().replace("{col}", "1763035200")
        show("seconds since the epoch", lambda: rows(f"select count(*) as n from workflow_sessions where started_at >= {epoch}"))
        show("what a limit is", lambda: rows(lake.apply_limit_to_sql("select session_id from workflow_sessions order by 1", 3)))
        with lake.get_raw_connection() as connection:
            cursor = connection.cursor()
            show("the number of a question", lambda: str(spec.get_cancel_query_id(cursor, None)).isdigit())
            show("an error", lambda: failed(cursor, spec))


def failed(cursor, spec):
    try:
        cursor.execute("select nothing_of_this_name from workflow_sessions")
    except Exception as error:  # noqa: BLE001
        return spec.extract_error_message(error).split("\n")[0][:16], [found.error_type.name for found in spec.extract_errors(error)]
    return "no error"


if __name__ == "__main__":
    main(sys.argv[1])
