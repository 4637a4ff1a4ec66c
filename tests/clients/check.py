#!/usr/bin/env python3
"""Asks a server with the clients that people have, and compares what they find with a PostgreSQL of the same tables and rows, and with `query`.

usage: check.py [psql|jdbc|sqlalchemy|psycopg|asyncpg|adbc|odbc|pgcli|node|tools|duckdb|flight|secure|masked|crowd|superset ...]

A lake of the sample export is served on loopback. Where a PostgreSQL is installed, one is started beside it with the same tables and views, and every
client asks both: what it says must be the same, but for what is listed in EXCEPT with the reason. Without one, no question may fail. `flight` is
Flight SQL, compared with `query`; `secure` log-ins and TLS over every protocol; `masked` users who see masked values or some workflows; `crowd`
pools, many connections, and clients that behave badly; `tools` what tools ask that are not to be had.

The Python clients are installed into a folder of the user's cache, and those of Node beside them, where that takes about a minute; what is not there is
skipped by name. Superset, which is large, is installed when it is named, and asked when it is there. The program is target/debug/sessionlake, or the
one that SESSIONLAKE names. Exit codes: 0 fine or skipped, 1 problems.
"""

import glob
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from servers import CLIENT, HERE, PASSWORD, Lake, Server, Yardstick, add_users, asked, binary, check, make_certificates, problems, run, skip, skipped

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sessionlake-clients"
PACKAGES = ["psycopg[binary]", "psycopg_pool", "psycopg2-binary", "asyncpg", "sqlalchemy", "pandas", "pgcli", "adbc-driver-postgresql", "adbc-driver-flightsql", "pyarrow", "polars", "pyodbc", "pytz",
            # DuckDB with its extension for PostgreSQL, which goes with one version of it.
            "duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5"]
# Superset, with what its own requirements leave open and it does not work with any more.
SUPERSET = ["apache-superset==6.1.0", "psycopg2-binary", "flask-caching==2.3.1", "cachetools"]
NODE = ["pg@8", "postgres@3"]
# Seconds that an installation may take, and that of Superset.
PATIENCE, LONG_PATIENCE = 90, 300
NAMES = ["psql", "jdbc", "sqlalchemy", "psycopg", "asyncpg", "adbc", "odbc", "pgcli", "node", "tools", "duckdb", "flight", "secure", "masked", "crowd", "superset"]
IN_PYTHON = set(NAMES) - {"psql", "jdbc", "node", "superset"}
# What psql asks of both and must show in the same way, and what it asks besides, which must not fail.
SAME = [r"\d workflow_sessions", r"\d active_sessions", r'\d "Workflow Sessions"', r"\d", r"\dt", r"\dv", r"\dn", r"\dT", r"\dD", r"\des", r"\dRp",
        r"\det", r"\dX", r"\dew", r"\dy", r"\dP", r"\ddp", r"\dp", r"\dE", r"\encoding"]
BESIDE = [r"\dx", r"\dL", r"\d+ workflow_sessions", r"\d+ active_sessions", r"\dt+", r"\dv+", r"\d+", r"\df", r"\df+", r"\da", r"\do", r"\dC text", r"\l", r"\l+", r"\du", r"\dg+", r"\db+",
          r"\dn+", r"\dT+", r"\dO", r"\dc", r"\dF", r"\dA", r"\di", r"\dm", r"\ds", r"\drds", r"\dconfig", r"\dl", r"\sv active_sessions", r"\dS pg_class",
          r"\d pg_class", r"\d information_schema.columns", r"\conninfo"]
# Lines that differ, by client and the beginning of the line, with the reason.
EXCEPT = {
    "jdbc": {"procedurecolumns": "the functions of ours are there"},
    "pgcli": {"databases": "there is one", "full databases": "there is one", "schemata": "without pg_toast"},
    "odbc": {"procedures": "the functions of ours are there"},
    "node": {"pg fields": "a literal is a bigint here", "pg rows": "", "pg parameter": ""},
}
# A workflow of the sample, whose sessions alone a user may see.
WORKFLOWS = ["025d01041178d7cf2494a391c7", "025d010511af5a147282bac4d8"]


def installed(name, packages, patience):
    """Makes a folder of Python packages, unless there is one of just these; returns its Python, or `None` with the reason said."""
    folder, done = CACHE / name, CACHE / f"{name}.done"
    there, wanted = folder / "bin" / "python", "\n".join(packages)
    if there.exists() and done.exists() and done.read_text() == wanted:
        return str(there)
    shutil.rmtree(folder, ignore_errors=True)
    done.unlink(missing_ok=True)
    code, _, error = run([sys.executable, "-m", "venv", str(folder)], patience)
    if code == 0:
        code, _, error = run([str(there), "-m", "pip", "install", "-q", *packages], patience)
    if code != 0:
        skip(f"clients in Python ({name})", f"not installed: {error.strip().splitlines()[-1:]}")
        return None
    done.write_text(wanted)
    return str(there)


def python():
    """Finds a Python with the clients, and installs them where that can be had."""
    named = os.environ.get("SESSIONLAKE_CLIENTS_PYTHON")
    if named:
        return named
    if all(importlib.util.find_spec(name) for name in ("psycopg", "asyncpg", "sqlalchemy", "adbc_driver_flightsql")):
        return sys.executable
    return installed("python", PACKAGES, PATIENCE)


def node_modules():
    """Finds the clients of Node, and installs them where that can be had; returns the folder."""
    folder, done = CACHE / "node", CACHE / "node.done"
    if not done.exists() or done.read_text() != " ".join(NODE):
        if not shutil.which("npm"):
            return None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        code, _, error = run(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", *NODE], PATIENCE)
        if code != 0:
            print(error)
            return None
        done.write_text(" ".join(NODE))
    return folder / "node_modules"


def normal(text):
    """Leaves out what is another thing on both: who owns things, and the numbers of objects."""
    text = re.sub(r"\b(postgres|sessionlake)( +)\|", "OWNER |", text)
    text = re.sub(r"\b(postgres|sessionlake|pg_database_owner) *$", "OWNER", text, flags=re.M)
    text = re.sub(r"-{4,}", "----", text)
    return re.sub(r" {2,}", " ", text)


def psql(ours, theirs):
    """Compares what psql's commands show."""
    if not shutil.which("psql"):
        return skip("psql", "not installed")
    asked.append("psql")

    def show(port, commands):
        given = "\n".join(f"\\echo ##{number}\n{command}" for number, command in enumerate(commands))
        command = ["psql", "-X", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "sessionlake"]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=CLIENT)
        check(f"psql at {port}", "ERROR" not in done.stderr, done.stderr)
        parts = re.split(r"^##", done.stdout, flags=re.M)[1:]
        return {commands[int(part.split("\n", 1)[0])]: normal(part.split("\n", 1)[1]) for part in parts}

    mine = show(ours.port, SAME + BESIDE)
    check("psql shows all", len(mine) == len(SAME + BESIDE), list(mine))
    if theirs:
        expected = show(theirs.port, SAME)
        for command in SAME:
            check(f"psql {command}", mine.get(command) == expected.get(command), f"{mine.get(command)}\n-- PostgreSQL:\n{expected.get(command)}")
    return None


def client(name, command, ours, theirs, **more):
    """Runs a client on both and compares its lines. `command` makes the command of a port."""
    started = time.monotonic()
    code, out, error = run(command(ours.port), **more)
    took = time.monotonic() - started
    if out.startswith("skipped\t"):
        return skip(name, out.split("\t", 1)[1].splitlines()[0])
    asked.append(name)
    check(f"{name} ends", code == 0, f"{out}\n{error}")
    lines = out.splitlines()
    failed = [line for line in lines if "\tfailed:" in line]
    check(f"{name}: no question fails", not failed, "\n".join(failed))
    if theirs:
        code, out, error = run(command(theirs.port), **more)
        but = EXCEPT.get(name, {})

        def compared(lines):
            return [line for line in lines if line.split("\t", 1)[0] not in but]

        mine, expected = compared(lines), compared(out.splitlines())
        mine = [line.replace("sessionlake", "postgres") for line in mine]
        expected = [line.replace("sessionlake", "postgres") for line in expected]
        wrong = [f"  ours: {a}\n  PostgreSQL: {b}" for a, b in zip(mine, expected) if a != b]
        check(f"{name} finds what it finds in PostgreSQL", mine == expected, "\n".join(wrong) or f"{len(mine)} lines and {len(expected)}")
    print(f"{name}: {len(lines)} lines, {took:.0f} s", flush=True)
    return None


def facts(name, command, least, seconds=180):
    """Runs a client that compares by itself: each line ends with `ok`, and there are some at least."""
    started = time.monotonic()
    code, out, error = run(command, seconds)
    took = time.monotonic() - started
    if name not in asked:
        asked.append(name)
    lines = [line for line in out.splitlines() if "\t" in line]
    failed = [line for line in lines if "\tfailed:" in line]
    for line in lines:
        if "\tleft out:" in line:
            skip(*line.split("\tleft out: "))
    check(f"{name}: {len(failed)} of {len(lines)}", not failed, "\n".join(failed))
    check(f"{name} ends", code == 0 and len(lines) >= least, f"{len(lines)} lines, code {code}\n{error[-2000:]}")
    print(f"{name}: {len(lines)} facts, {took:.0f} s", flush=True)


def sure(lake, ours):
    """Compares counts that clients get with those of `query`."""
    counts = {row["communication_type"]: row["n"] for row in lake.query("select communication_type, count(*) as n from workflow_sessions group by 1")}
    if shutil.which("psql"):
        sql = "select communication_type, count(*) from workflow_sessions group by 1"
        code, out, error = run(["psql", "-XAt", "-F", ",", "-h", "127.0.0.1", "-p", ours.port, "-U", "anyone", "-c", sql, "sessionlake"])
        check("psql counts as query does", code == 0 and dict(line.split(",") for line in out.split()) == counts, f"{out}{error}{counts}")


def with_users(lake, theirs, folder, here, wanted):
    """Log-ins and TLS, and users who do not see all."""
    users = folder / "users.toml"
    workflows = [word for workflow in WORKFLOWS for word in ("--workflow", workflow)]
    add_users(lake, users, {"ana": [], "gone": [], "old": ["--expires", "2020-01-01"], "team": ["--role", "masked"], "some": ["--role", "masked", *workflows]})
    plain = Server(lake, folder, "users", "--users", str(users))
    secret = None
    try:
        certificates = make_certificates(folder) if "secure" in wanted else None
        if certificates:
            authority, certificate, key = certificates
            secret = Server(lake, folder, "tls", "--users", str(users), "--tls-cert", certificate, "--tls-key", key)
        if "secure" in wanted:
            for flags, says in [([], "there is no TLS"), (["--users", str(users)], "there is no TLS"), (["--tls-cert", str(users), "--tls-key", str(users)], "there is no users")]:
                for protocol in ("--pg", "--flight", "--http"):
                    code, _, error = run([lake.program, "--lake", lake.lake, "serve", protocol, "0.0.0.0:0", *flags], 30)
                    check(f"{protocol} beyond this machine {flags[:1]}", code == 2 and says in error, error)
            if not certificates:
                skip("secure", "TLS: openssl is not installed")
            elif shutil.which("psql"):
                for mode, fine in [("disable", False), ("prefer", True), ("require", True), ("verify-full", True)]:
                    target = f"host=localhost port={secret.port} dbname=sessionlake user=ana sslmode={mode} sslrootcert={authority}"
                    code, out, error = run(["psql", "-XAtc", "select count(*) from workflow_sessions", target], env=dict(os.environ, PGPASSWORD=PASSWORD))
                    check(f"psql sslmode={mode}", (code == 0 and out.strip() == "240") if fine else "over TLS alone" in error, error)
            if certificates and shutil.which("curl"):
                body = ["--json", '{"sql": "select count(*) as n from workflow_sessions"}', f"https://localhost:{secret.http}/v1/sql?format=csv"]
                for trust, fine in [(["--cacert", authority], True), ([], False)]:
                    code, out, error = run(["curl", "-sS", *trust, "-u", f"ana:{PASSWORD}", *body])
                    check(f"curl {trust[:1]}", out.split() == ["n", "240"] if fine else code == 60, f"{code} {out} {error}")
            ports = [f"{server.port},{server.flight},{server.http}" if server else "" for server in (plain, secret)]
            facts("secure", [here, str(HERE / "secure_client.py"), *ports, certificates[0] if certificates else "", PASSWORD, str(users), lake.program], 50)
        if "masked" in wanted:
            for user in ("team", "some"):
                yardstick = "-"
                if theirs:
                    # What the user sees of all is the ground of all else that is asked.
                    sql, target = "copy (select * from workflow_sessions) to stdout (format csv, header)", f"host=127.0.0.1 port={plain.port} dbname=sessionlake user={user}"
                    code, out, error = run(["psql", "-Xc", sql, target], env=dict(os.environ, PGPASSWORD=PASSWORD))
                    check(f"{user} sees sessions", code == 0 and len(out) > 10_000, error)
                    (folder / f"{user}.csv").write_text(out)
                    theirs.fill(lake, f"seen_by_{user}", folder / f"{user}.csv")
                    yardstick = f"postgresql://postgres@127.0.0.1:{theirs.port}/seen_by_{user}"
                ports = f"{plain.port},{plain.flight},{plain.http}"
                facts("masked", [here, str(HERE / "masked_client.py"), ports, user, PASSWORD, yardstick], 15)
            seen = [row["source_details_phone_number"] for row in lake.query("select distinct source_details_phone_number from workflow_sessions where source_details_phone_number like '+%'")]
            for name in ("team.csv", "some.csv"):
                path = folder / name
                told = [number for number in seen if path.exists() and number in path.read_text()]
                check(f"{name} has no phone number", seen and not told, told)
    finally:
        plain.stop()
        if secret:
            secret.stop()
    for server in [plain, secret] if secret else [plain]:
        told = [word for word in ("select", PASSWORD, "Phone", "ana") if re.search(rf"\b{word}\b", server.said())]
        check(f"the log of {server.name} has no statement, value, password or user", not told, f"{told}\n{server.said()[:2000]}")


def main(wanted):
    """Checks all clients, or those that are named."""
    is_superset_named = "superset" in wanted
    wanted = wanted or NAMES
    if unknown := set(wanted) - set(NAMES):
        raise SystemExit(f"no client {unknown}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sessionlake-clients-") as folder:
        folder = pathlib.Path(folder)
        lake, theirs = Lake(binary(), folder), None
        ours = Server(lake, folder, "open", "--max-queries", "8")
        few = None
        try:
            try:
                theirs = Yardstick(folder, lake)
            except LookupError as error:
                skip("the comparison with PostgreSQL", error)
            sure(lake, ours)
            if "psql" in wanted:
                psql(ours, theirs)
            if "jdbc" in wanted:
                jar = "/usr/share/java/postgresql.jar"
                if not shutil.which("java") or not os.path.exists(jar):
                    skip("jdbc", "java or its driver is not installed")
                else:
                    client("jdbc", lambda port: ["java", "-cp", jar, str(HERE / "Jdbc.java"), f"jdbc:postgresql://127.0.0.1:{port}/sessionlake", "postgres"], ours, theirs)
            here = python() if set(wanted) & IN_PYTHON else None

            def has(name, modules):
                if name not in wanted or not here:
                    return False
                code, _, error = run([here, "-c", f"import {modules}"])
                if code != 0:
                    skip(name, error.strip().splitlines()[-1])
                return code == 0

            def in_python(name, modules, script, arguments):
                if has(name, modules):
                    client(name, lambda port: [here, str(HERE / script), *arguments(port)], ours, theirs)

            at = "127.0.0.1"
            url = lambda port: [f"postgresql://postgres@{at}:{port}/sessionlake"]  # noqa: E731
            for driver in ("psycopg2", "psycopg"):
                in_python("sqlalchemy", f"sqlalchemy, pandas, {driver}", "sqlalchemy_client.py", lambda port: [f"postgresql+{driver}://postgres@{at}:{port}/sessionlake"])
            in_python("psycopg", "psycopg", "psycopg_client.py", url)
            in_python("asyncpg", "asyncpg", "asyncpg_client.py", url)
            in_python("adbc", "adbc_driver_postgresql, pyarrow, polars", "adbc_client.py", url)
            in_python("pgcli", "pgcli", "pgcli_client.py", lambda port: ["sessionlake", "postgres", "x", at, port])
            driver = next(iter(glob.glob("/usr/lib/*/odbc/psqlodbcw.so")), None)
            if "odbc" in wanted and not driver:
                skip("odbc", "psqlODBC is not installed")
            elif driver:
                in_python("odbc", "pyodbc", "odbc_client.py", lambda port: [f"Driver={driver};Server={at};Port={port};Database=sessionlake;UID=postgres;PWD=x"])
            if "node" in wanted:
                modules = node_modules() if shutil.which("node") else None
                if not modules:
                    skip("node", "node, npm or the clients cannot be had")
                else:
                    environment = dict(os.environ, NODE_PATH=str(modules))
                    client("node", lambda port: ["node", str(HERE / "node_client.js"), *url(port)], ours, theirs, env=environment)
            in_python("tools", "psycopg", "tools_client.py", url)
            in_python("duckdb", "duckdb, duckdb_extension_postgres_scanner, pytz", "duckdb_client.py", lambda port: [at, port])
            if has("flight", "adbc_driver_flightsql, pyarrow.flight"):
                expected = lake.write("select * from workflow_sessions order by session_id", folder / "all.feather")
                facts("flight", [here, str(HERE / "flight_client.py"), f"grpc://{at}:{ours.flight}", expected], 80)
            if has("crowd", "psycopg, psycopg_pool, psycopg2, asyncpg, sqlalchemy, adbc_driver_flightsql"):
                few = Server(lake, folder, "few", "--max-connections", "40")
                facts("crowd", [here, str(HERE / "crowd_client.py"), f"{ours.port},{ours.flight},{ours.http}", f"{few.port},{few.flight},{few.http}"], 35)
            ours_are = {name for name in ("secure", "masked") if has(name, "psycopg, psycopg2, asyncpg, adbc_driver_flightsql, adbc_driver_postgresql, pyarrow.flight")}
            if ours_are:
                with_users(lake, theirs, folder, here, ours_are)
            if is_superset_named or "superset" in wanted and (CACHE / "superset.done").exists():
                superset = installed("superset", SUPERSET, LONG_PATIENCE)
                if superset:
                    (folder / "superset").mkdir()
                    environment = dict(os.environ, SUPERSET_HOME=str(folder / "superset"), SUPERSET_CONFIG_PATH=str(HERE / "superset_config.py"))
                    client("superset", lambda port: [superset, str(HERE / "superset_client.py"), f"postgresql+psycopg2://postgres@{at}:{port}/sessionlake"], ours, theirs, env=environment)
            elif "superset" in wanted:
                skip("superset", "not installed; name it and it is")
        finally:
            ours.stop()
            for other in (few, theirs):
                if other:
                    other.stop()
    print(f"asked with: {', '.join(asked) or 'nothing'}; {len(skipped)} skipped; {len(problems)} problems; {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
