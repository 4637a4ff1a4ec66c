"""What clients ask: a lake that is served, and a PostgreSQL of the same tables and rows. `check.py` says what is done with them."""

import csv
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOW = "2026-11-21T00:00:00Z"
VIEWS = ("active_sessions", "ended_sessions", "Workflow Sessions")
PASSWORD = "correct horse"
# Seconds that a client may take.
CLIENT = 60

problems, skipped, asked = [], [], []


def check(what, fine, detail=""):
    """Notes a problem."""
    if not fine:
        problems.append(what)
        print(f"  PROBLEM: {what}\n{str(detail)[:3000]}", flush=True)


def skip(what, why):
    """Notes what is left out."""
    skipped.append(what)
    print(f"skipped: {what}: {why}", flush=True)


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
    if "input" not in more:
        more["stdin"] = subprocess.DEVNULL
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, **more)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        return 124, (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else error.stdout or "", f"took longer than {seconds} s"
    except FileNotFoundError as error:
        return 127, "", str(error)


class Lake:
    """A lake of the sample export."""

    def __init__(self, program, folder):
        self.program, self.lake = program, str(folder / "lake")
        export = ROOT / "data" / "snapshots" / "workflow_sessions.3.csv"
        code, _, error = run([program, "--lake", self.lake, "ingest", str(export), "--exported-at", NOW], 120)
        if code != 0:
            raise SystemExit(error)

    def query(self, sql):
        """Asks without a server; returns rows."""
        code, out, error = run([self.program, "--lake", self.lake, "query", "--as-of", NOW, "--csv", "-c", sql])
        check(sql, code == 0, error)
        return list(csv.DictReader(out.splitlines())) if code == 0 else []

    def write(self, sql, path):
        """Asks without a server, and has the answer in a file, whose name says its format."""
        code, _, error = run([self.program, "--lake", self.lake, "query", "--as-of", NOW, "-o", str(path), "-c", sql])
        check(sql, code == 0, error)
        return str(path)


class Server:
    """A lake that is served over all three protocols, at ports that are free."""

    def __init__(self, lake, folder, name, *flags):
        self.name, self.path = name, folder / f"{name}.log"
        self.log = open(self.path, "w", encoding="utf-8")
        ports = ["--pg", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        command = [lake.program, "--lake", lake.lake, "--as-of", NOW, "serve", *ports, *flags]
        environment = dict(os.environ, SESSIONLAKE_LOG="info")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, env=environment)
        expected = {"pg": r"PostgreSQL at 127\.0\.0\.1:(\d+)", "flight": r"grpc(?:\+tls)?://127\.0\.0\.1:(\d+)", "http": r"https?://127\.0\.0\.1:(\d+)/"}
        for _ in range(400):
            said = self.said()
            found = {protocol: re.search(pattern, said) for protocol, pattern in expected.items()}
            if all(found.values()):
                self.port, self.flight, self.http = (found[protocol].group(1) for protocol in ("pg", "flight", "http"))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        raise SystemExit(f"the server did not start: {self.said()}")

    def said(self):
        """What it has written until now."""
        return self.path.read_text(encoding="utf-8", errors="replace")

    def metric(self, name):
        """A number that the server counts, where it has no TLS and no users."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=30).read().decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, flags=re.M).group(1))

    def stop(self):
        """Stops the server."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            check(f"the server {self.name} stops when told", False)
            self.process.kill()
            self.process.wait()
        self.log.close()
        check(f"the server {self.name} had no panic", "panicked" not in self.said(), self.said()[-2000:])


def add_users(lake, path, users):
    """Writes a users file: the flags of each user by name. All have the same password."""
    for name, flags in users.items():
        code, _, error = run([lake.program, "user", "--users", str(path), "add", name, *flags], input=f"{PASSWORD}\n")
        check(f"user add {name}", code == 0, error)


def make_certificates(folder):
    """Makes an authority and a certificate of this machine with openssl; returns the files of the authority, the certificate and its key."""
    if not shutil.which("openssl"):
        return None
    elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = {name: str(folder / name) for name in ("ca.pem", "ca.key", "cert.pem", "cert.key", "cert.csr", "extensions")}
    (folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    for command in (
        ["req", "-x509", *elliptic, "-keyout", files["ca.key"], "-out", files["ca.pem"], "-days", "2", "-subj", "/CN=authority of a test", "-addext", "basicConstraints=critical,CA:TRUE"],
        ["req", *elliptic, "-keyout", files["cert.key"], "-out", files["cert.csr"], "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", files["cert.csr"], "-CA", files["ca.pem"], "-CAkey", files["ca.key"], "-CAcreateserial", "-days", "2", "-extfile", files["extensions"], "-out", files["cert.pem"]],
    ):
        code, _, error = run(["openssl", *command])
        if code != 0:
            print(error)
            return None
    return files["ca.pem"], files["cert.pem"], files["cert.key"]


class Yardstick:
    """A PostgreSQL with the tables of the lake, and a database `masked` with what a masked user sees, once it is filled."""

    TYPES = {"Int64": "bigint", "Float64": "double precision", "BinaryView": "bytea", "Boolean": "boolean"}

    def __init__(self, folder, lake):
        tools = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        found = tools[-1] if tools else shutil.which("initdb")
        if not found or not shutil.which("psql"):
            raise LookupError("no PostgreSQL is installed")
        self.tools, self.folder, self.outer = pathlib.Path(found).parent, folder / "pg", folder
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
            rows = folder / "rows.csv"
            code, out, error = run([lake.program, "--lake", lake.lake, "query", "--as-of", NOW, "--csv", "-c", "select * from workflow_sessions"])
            rows.write_text(out)
            self.fill(lake, "sessionlake", rows)
        except Exception:
            self.stop()
            raise

    def do(self, command):
        code, _, error = run([*self.become, command] if self.become else ["/bin/sh", "-c", command])
        if code != 0:
            raise LookupError(error.strip())

    def fill(self, lake, database, rows):
        """Makes a database of the tables and views, with these rows of sessions."""
        tables = {}
        columns = "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, ordinal_position"
        for row in lake.query(columns):
            kind = "timestamptz" if row["data_type"].startswith("Timestamp") else self.TYPES.get(row["data_type"], "text")
            tables.setdefault(row["table_name"], []).append((row["column_name"], kind))
        sql = [f"create database {database};", f"\\connect {database}"]
        for name, columns in tables.items():
            if name not in VIEWS:
                sql.append(f'create table "{name}" ({", ".join(f"{chr(34)}{c}{chr(34)} {kind}" for c, kind in columns)});')
        sql.append("create view active_sessions as select * from workflow_sessions where ended_at is null;")
        sql.append("create view ended_sessions as select * from workflow_sessions where ended_at is not null;")
        documented = zip(tables["workflow_sessions"], tables["Workflow Sessions"])
        sql.append(f'create view "Workflow Sessions" as select {", ".join(f"{a[0]} as {chr(34)}{b[0]}{chr(34)}" for a, b in documented)} from workflow_sessions;')
        sql.append(f"\\copy workflow_sessions from '{rows}' csv header")
        script = self.outer / f"{database}.sql"
        script.write_text("\n".join(sql))
        code, _, error = run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-f", str(script), "postgres"])
        if code != 0:
            raise LookupError(error)

    def stop(self):
        """Stops it."""
        try:
            self.do(f"{self.tools}/pg_ctl -D {self.folder}/data -m immediate stop")
        except LookupError as error:
            print(error)
