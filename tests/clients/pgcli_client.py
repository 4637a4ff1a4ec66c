"""What pgcli reads for its completion: one line a fact."""

import sys

from pgcli.pgexecute import PGExecute


def show(name, ask):
    try:
        print(f"{name}\t{ask()}")
    except Exception as error:  # noqa: BLE001
        print(f"{name}\tfailed: {type(error).__name__} {str(error).splitlines()[0]}")


def main(database, user, password, host, port):
    executor = PGExecute(database, user, password, host, port, None)
    show("search path", lambda: executor.search_path())
    show("schemata", lambda: sorted(executor.schemata()))
    show("tables", lambda: sorted(t for t in executor.tables() if t[0] == "public"))
    show("views", lambda: sorted(t for t in executor.views() if t[0] == "public"))
    show("columns", lambda: sorted(tuple(c)[:4] for c in executor.table_columns() if c[0] == "public"))
    show("view columns", lambda: len([c for c in executor.view_columns() if c[0] == "public"]))
    show("databases", lambda: executor.databases())
    show("full databases", lambda: executor.full_databases())
    show("foreign keys", lambda: list(executor.foreignkeys()))
    show("functions", lambda: len(list(executor.functions())) >= 0)
    show("datatypes", lambda: [d for d in executor.datatypes() if d[0] == "public"])
    show("casing", lambda: len(list(executor.casing())) >= 0)
    show("explain", lambda: executor.explain_prefix())
    show("definition", lambda: "workflow_sessions" in executor.view_definition("active_sessions"))


if __name__ == "__main__":
    main(*sys.argv[1:6])
