#!/usr/bin/env python3
"""Asks a server with the clients of PostgreSQL that people have, and compares what they find with a PostgreSQL of the same tables and rows.

usage: check.py [psql|jdbc|sqlalchemy|psycopg|asyncpg|adbc|odbc|pgcli|node ...]

A lake of the sample export is served on loopback. Where a PostgreSQL is installed, one is started beside it with the same tables and views, and every
client asks both: what it says must be the same, but for what is listed in EXCEPT with the reason. Without one, no question may fail. The
Python clients are installed into a folder of the user's cache, where that takes about a minute; what is not there is skipped by name.
The program is target/debug/sessionlake, or the one that SESSIONLAKE names. Exit codes: 0 fine or skipped, 1 problems.
"""

import csv
import glob
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sessionlake-clients"
PACKAGES = ["psycopg[binary]", "psycopg2-binary", "asyncpg", "sqlalchemy", "pandas", "pgcli", "adbc-driver-postgresql", "pyarrow", "polars", "pyodbc"]
# Seconds that an installation may take, and a client.
PATIENCE, CLIENT = 90, 40
NOW = "2026-11-21T00:00:00Z"
VIEWS = ("active_sessions", "ended_sessions", "Workflow Sessions")
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

problems, skipped, asked = [], [], []


def check(what, fine, detail=""):
    """Notes a problem."""
    if not fine:
        problems.append(what)
        print(f"  PROBLEM: {what}\n{str(detail)[:3000]}")


def skip(what, why):
    """Notes what is left out."""
    skipped.append(what)
    print(f"skipped: {what}: {why}")


def binary():
    """Finds the program."""
    named = os.environ.get("SESSIONLAKE")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = pathlib.Path(named) if named else target / "debug" / "sessionlake"
    if not path.exists():
        raise SystemExit(f"{path} is not there; build it with: cargo build")
    return str(path)


def run(command, seconds=CLIENT, **more):
    """Runs a command for some seconds at most; returns its code and what it wrote."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, **more)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        return 124, (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or "", f"took longer than {seconds} s"
    except FileNotFoundError as error:
        return 127, "", str(error)


def python():
    """Finds a Python with the clients, and installs them where that can be had."""
    named = os.environ.get("SESSIONLAKE_CLIENTS_PYTHON")
    if named:
        return named
    if all(importlib.util.find_spec(name) for name in ("psycopg", "asyncpg", "sqlalchemy")):
        return sys.executable
    there = CACHE / "python" / "bin" / "python"
    if not (CACHE / "done").exists():
        shutil.rmtree(CACHE / "python", ignore_errors=True)
        code, _, error = run([sys.executable, "-m", "venv", str(CACHE / "python")], PATIENCE)
        if code == 0:
            code, _, error = run([str(there), "-m", "pip", "install", "-q", *PACKAGES], PATIENCE)
        if code != 0:
            skip("clients in Python", f"not installed: {error.strip().splitlines()[-1:]}")
            return None
        (CACHE / "done").write_text("")
    return str(there)


class Ours:
    """A lake that is served."""

    def __init__(self, program, folder):
        self.program, self.lake = program, str(folder / "lake")
        export = ROOT / "data" / "snapshots" / "workflow_sessions.3.csv"
        code, _, error = run([program, "--lake", self.lake, "ingest", str(export), "--exported-at", NOW], 120)
        if code != 0:
            raise SystemExit(error)
        self.log = open(folder / "serve.log", "w+")
        command = [program, "--lake", self.lake, "--as-of", NOW, "serve", "--pg", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        for _ in range(400):
            self.log.seek(0)
            found = re.search(r"PostgreSQL at 127\.0\.0\.1:(\d+)", self.log.read())
            if found:
                self.port = found.group(1)
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.log.seek(0)
        raise SystemExit(f"the server did not start: {self.log.read()}")

    def query(self, sql):
        """Asks without a server; returns rows."""
        code, out, error = run([self.program, "--lake", self.lake, "query", "--as-of", NOW, "--csv", "-c", sql], 60)
        check(sql, code == 0, error)
        return list(csv.DictReader(out.splitlines())) if code == 0 else []

    def stop(self):
        """Stops the server."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            check("the server stops when told", False)
            self.process.kill()


class Yardstick:
    """A PostgreSQL with the tables of the lake."""

    TYPES = {"Int64": "bigint", "Float64": "double precision", "BinaryView": "bytea", "Boolean": "boolean"}

    def __init__(self, folder, ours):
        tools = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        found = tools[-1] if tools else shutil.which("initdb")
        if not found or not shutil.which("psql"):
            raise LookupError("no PostgreSQL is installed")
        self.tools, self.folder = pathlib.Path(found).parent, folder / "pg"
        self.folder.mkdir()
        # A PostgreSQL does not run as root.
        self.become = []
        if os.geteuid() == 0:
            if not shutil.which("su") or run(["id", "postgres"])[0] != 0:
                raise LookupError("no user postgres to run PostgreSQL as")
            self.become = ["su", "postgres", "-s", "/bin/sh", "-c"]
            os.chmod(folder, 0o755)
            shutil.chown(self.folder, "postgres")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = str(taken.getsockname()[1])
        self.do(f"{self.tools}/initdb -D {self.folder}/data -U postgres -A trust -E UTF8 --locale=C")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off -c timezone=UTC -c jit=off"
        self.do(f"{self.tools}/pg_ctl -D {self.folder}/data -l {self.folder}/log -w -o '{options}' start")
        try:
            self.fill(ours, folder)
        except Exception:
            self.stop()
            raise

    def do(self, command):
        code, _, error = run([*self.become, command] if self.become else ["/bin/sh", "-c", command], 60)
        if code != 0:
            raise LookupError(error.strip())

    def fill(self, ours, folder):
        tables = {}
        columns = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, ordinal_position"
        for row in ours.query(columns):
            kind = "timestamptz" if row["data_type"].startswith("Timestamp") else self.TYPES.get(row["data_type"], "text")
            tables.setdefault(row["table_name"], []).append((row["column_name"], kind))
        sql = ["create database sessionlake;", "\\connect sessionlake"]
        for name, columns in tables.items():
            if name not in VIEWS:
                sql.append(f'create table "{name}" ({", ".join(f"{chr(34)}{c}{chr(34)} {kind}" for c, kind in columns)});')
        sql.append("create view active_sessions as select * from workflow_sessions where ended_at is null;")
        sql.append("create view ended_sessions as select * from workflow_sessions where ended_at is not null;")
        documented = zip(tables["workflow_sessions"], tables["Workflow Sessions"])
        sql.append(f'create view "Workflow Sessions" as select {", ".join(f"{a[0]} as {chr(34)}{b[0]}{chr(34)}" for a, b in documented)} from workflow_sessions;')
        rows = folder / "rows.csv"
        code, out, error = run([ours.program, "--lake", ours.lake, "query", "--as-of", NOW, "--csv", "-c", "select * from workflow_sessions"], 60)
        rows.write_text(out)
        sql.append(f"\\copy workflow_sessions from '{rows}' csv header")
        (folder / "fill.sql").write_text("\n".join(sql))
        code, _, error = run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-f", str(folder / "fill.sql"), "postgres"], 60)
        if code != 0:
            raise LookupError(error)

    def stop(self):
        """Stops it."""
        try:
            self.do(f"{self.tools}/pg_ctl -D {self.folder}/data -m immediate stop")
        except LookupError as error:
            print(error)


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
    code, out, error = run(command(ours.port), **more)
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
    return None


def sure(ours):
    """Compares counts that clients get with those of `query`."""
    counts = {row["communication_type"]: row["n"] for row in ours.query("select communication_type, count(*) as n from workflow_sessions group by 1")}
    if shutil.which("psql"):
        sql = "select communication_type, count(*) from workflow_sessions group by 1"
        code, out, error = run(["psql", "-XAt", "-F", ",", "-h", "127.0.0.1", "-p", ours.port, "-U", "anyone", "-c", sql, "sessionlake"])
        check("psql counts as query does", code == 0 and dict(line.split(",") for line in out.split()) == counts, f"{out}{error}{counts}")


def main(wanted):
    """Checks all clients, or those that are named."""
    names = ["psql", "jdbc", "sqlalchemy", "psycopg", "asyncpg", "adbc", "odbc", "pgcli", "node"]
    wanted = wanted or names
    if unknown := set(wanted) - set(names):
        raise SystemExit(f"no client {unknown}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sessionlake-clients-") as folder:
        folder = pathlib.Path(folder)
        ours, theirs = Ours(binary(), folder), None
        try:
            try:
                theirs = Yardstick(folder, ours)
            except LookupError as error:
                skip("the comparison with PostgreSQL", error)
            sure(ours)
            if "psql" in wanted:
                psql(ours, theirs)
            if "jdbc" in wanted:
                jar = "/usr/share/java/postgresql.jar"
                if not shutil.which("java") or not os.path.exists(jar):
                    skip("jdbc", "java or its driver is not installed")
                else:
                    client("jdbc", lambda port: ["java", "-cp", jar, str(HERE / "Jdbc.java"), f"jdbc:postgresql://127.0.0.1:{port}/sessionlake", "postgres"], ours, theirs)
            here = python() if set(wanted) & {"sqlalchemy", "psycopg", "asyncpg", "adbc", "odbc", "pgcli"} else None

            def in_python(name, modules, script, arguments):
                if name not in wanted or not here:
                    return
                code, _, error = run([here, "-c", f"import {modules}"])
                if code != 0:
                    skip(name, error.strip().splitlines()[-1])
                    return
                client(name, lambda port: [here, str(HERE / script), *arguments(port)], ours, theirs)

            at = "127.0.0.1"
            for driver in ("psycopg2", "psycopg"):
                in_python("sqlalchemy", f"sqlalchemy, pandas, {driver}", "sqlalchemy_client.py", lambda port: [f"postgresql+{driver}://postgres@{at}:{port}/sessionlake"])
            in_python("psycopg", "psycopg", "psycopg_client.py", lambda port: [f"postgresql://postgres@{at}:{port}/sessionlake"])
            in_python("asyncpg", "asyncpg", "asyncpg_client.py", lambda port: [f"postgresql://postgres@{at}:{port}/sessionlake"])
            in_python("adbc", "adbc_driver_postgresql, pyarrow, polars", "adbc_client.py", lambda port: [f"postgresql://postgres@{at}:{port}/sessionlake"])
            in_python("pgcli", "pgcli", "pgcli_client.py", lambda port: ["sessionlake", "postgres", "x", at, port])
            driver = next(iter(glob.glob("/usr/lib/*/odbc/psqlodbcw.so")), None)
            if "odbc" in wanted and not driver:
                skip("odbc", "psqlODBC is not installed")
            elif driver:
                in_python("odbc", "pyodbc", "odbc_client.py", lambda port: [f"Driver={driver};Server={at};Port={port};Database=sessionlake;UID=postgres;PWD=x"])
            if "node" in wanted:
                if not shutil.which("node"):
                    skip("node", "not installed")
                else:
                    client("node", lambda port: ["node", str(HERE / "node_client.js"), f"postgresql://postgres@{at}:{port}/sessionlake"], ours, theirs)
        finally:
            ours.stop()
            if theirs:
                theirs.stop()
    print(f"asked with: {', '.join(asked) or 'nothing'}; {len(skipped)} skipped; {len(problems)} problems; {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
