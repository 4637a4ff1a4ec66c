#!/usr/bin/env python3
"""Runs the commands over real object stores on loopback, and compares what they say with a lake in a folder.

usage: check.py [s3|azure|google|refused ...]

Servers: moto (PyPI) for S3, azurite (npm) for Azure, a small double of ours (google.py) for Google, s3rver (npm) as a store that does not honour
conditional puts. Those that are not on this machine are installed into a folder of the user's cache, where that takes about a minute, and else skipped
by name. Checked: every command gives what it gives on a folder; eight writers at once lose nothing; a commit whose answer is lost stands
once; each write fails in turn; a store that overwrites is refused; nothing secret is in what commands print, log and store; how many requests a question takes.
The program is target/debug/sessionlake, or the one that SESSIONLAKE names. Exit codes: 0 fine or skipped, 1 problems.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import http.server
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sessionlake-stores"
MOTO, AZURITE, S3RVER = "5.2.5", "3.37.0", "3.7.1"
# Seconds that an installation may take.
PATIENCE = 90
SECRETS = {"AWS_ACCESS_KEY_ID": "KEYIDzq81", "AWS_SECRET_ACCESS_KEY": "SECRETzq82", "AWS_SESSION_TOKEN": "TOKENzq83", "AWS_REGION": "mars-east-84"}
# The key of the emulator, which is the same everywhere.
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

problems = []


def check(what, fine, detail=""):
    """Notes a problem."""
    if not fine:
        problems.append(what)
        print(f"  PROBLEM: {what}\n{str(detail)[:3000]}")


def binary():
    """Finds the program."""
    named = os.environ.get("SESSIONLAKE")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    path = pathlib.Path(named) if named else target / "debug" / "sessionlake"
    if not path.exists():
        raise SystemExit(f"{path} is not there; build it with: cargo build")
    return str(path)


def free_port():
    """Returns a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def installed(name, command, made):
    """Installs something into the cache, whole or not at all; returns the folder, or None."""
    folder = CACHE / name
    if (folder / made).exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CACHE))
    try:
        for words in command(fresh):
            subprocess.run(words, cwd=fresh, check=True, capture_output=True, timeout=PATIENCE)
        if not folder.exists():
            fresh.rename(folder)
        return folder if (folder / made).exists() else None
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def npm(name, version):
    """Installs a package of Node; returns its program, or None."""
    if not shutil.which("npm") or not shutil.which("node"):
        return None
    command = lambda _: [["npm", "install", "--silent", "--no-fund", "--no-audit", f"{name}@{version}"]]
    program = "azurite-blob" if name == "azurite" else name
    folder = installed(f"{name}-{version}", command, f"node_modules/.bin/{program}")
    return folder and str(folder / "node_modules" / ".bin" / program)


def moto():
    """Returns a Python that has moto, or None."""
    try:
        subprocess.run([sys.executable, "-c", f"import moto, flask, flask_cors; assert moto.__version__ == '{MOTO}'"], check=True, capture_output=True, timeout=60)
        return sys.executable
    except (OSError, subprocess.SubprocessError):
        pass
    # By --target and not as an environment of its own, which cannot be moved into place.
    command = lambda folder: [
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", "--target", str(folder / "site"), f"moto[s3]=={MOTO}", "flask", "flask-cors"]
    ]
    folder = installed(f"moto-{MOTO}", command, "site/moto/__init__.py")
    return folder and str(folder / "site")


class Server:
    """A server on loopback that is ended with the block."""

    def __init__(self, command, port, env=None, cwd=None):
        self.port = port
        self.process = subprocess.Popen(command, env={**os.environ, **(env or {})}, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.process.kill()
        raise RuntimeError("the server did not start")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests of every kind by `answer`, and logs none."""

    protocol_version = "HTTP/1.1"

    def do(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

    def send(self, status, content, headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class Failing(Handler):
    """Hands requests on to a store at the port `behind`. `fault` says of each whether it is refused, or done and its answer lost."""

    behind = None

    @staticmethod
    def fault(command, path):
        return None

    def answer(self, body):
        fault = self.fault(self.command, self.path)
        if fault == "refused":
            self.send(403, b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')
            return
        there = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        there.request(self.command, self.path, body, dict(self.headers))
        answer = there.getresponse()
        content = answer.read()
        if fault == "lost":
            self.close_connection = True
            self.connection.close()
            return
        own = ("content-length", "transfer-encoding", "connection", "server", "date")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in own]
        self.send(answer.status, content, headers, answer.getheader("Content-Length", "0") if self.command == "HEAD" else None)


def failing(port, fault):
    """Starts a server that hands requests on, with faults."""
    return serve(type("FailingSo", (Failing,), {"behind": port, "fault": staticmethod(fault)}))


class Refusing(Handler):
    """Refuses all, with an answer that repeats who asked."""

    def answer(self, _):
        told = "".join(f"<Seen>{value}</Seen>" for value in SECRETS.values())
        self.send(403, f'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message>{told}</Error>'.encode())


def serve(handler):
    """Starts a server of this process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Program:
    """Runs the program, and keeps all that it printed."""

    def __init__(self, env):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_", "SESSIONLAKE_"))}
        self.env = {**clean, **env}
        self.printed = []

    def start(self, *words, **env):
        return subprocess.Popen([binary(), *words], cwd=ROOT, env={**self.env, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words, **env):
        return self.end(self.start(*words, **env))

    def end(self, process):
        out, err = process.communicate(timeout=120)
        self.printed.append(out + err)
        return process.returncode, out, err


AS_OF = ["--as-of", "2026-11-21T00:00:00Z"]
ALL = "select * from stored_sessions order by session_id"
# Workers in the process, which read the store by themselves; however little there is to read, it is cut.
WORKERS = ["--workers", "local:2", "--task-bytes", "1B"]
# What is run on a lake in a store and on one in a folder; what they print has to be the same.
COMMANDS = [
    ["ingest", "data/workflow_sessions.csv"],
    ["ingest", "data/workflow_sessions.csv"],
    ["ingest", "data/unusual", "--max-bad", "1000"],
    ["ingest", "--replay-quarantine", "--max-bad", "1000"],
    ["query", "--csv", "-c", ALL],
    ["query", "--csv", *WORKERS, "-c", ALL],
    ["query", "--csv", *WORKERS, "-c", "select data->>'variables' is null, count(*) from workflow_sessions group by 1 order by 1"],
    ["query", "--csv", "-c", "select file, line, reason from quarantine order by 1, 2, 3"],
    ["query", "queries/volume_by_channel.sql", "queries/outcome_mix.sql"],
    ["query", "--csv", "-c", "select data->>'variables' is null, count(*) from workflow_sessions group by 1 order by 1"],
    ["query", "--csv", "-c", "select version, operation, rows_read, inserted from lake_history order by version"],
    ["check", "queries/volume_by_channel.sql"],
    ["describe", "workflow_sessions"],
    ["history", "--csv", "--null", "-"],
    ["diff", "1", "--csv"],
    ["verify", "--deep"],
    ["optimize", "--dry-run", "--csv"],
    ["optimize", "--csv"],
    ["query", "--csv", "-c", ALL],
    ["restore", "--to", "1"],
    ["query", "--csv", "-c", ALL],
    ["erase", "--where", "workflow_id is not null and session_id like '%1'", "--yes"],
    ["query", "--csv", "-c", ALL],
    ["vacuum"],
    ["vacuum", "--yes", "--retention", "1s"],
    ["verify"],
    ["query", "--csv", "-c", ALL],
]


# What they said on a folder.
SAID = []


def plain(words, code, out, err, lake):
    """Leaves out what differs between any two lakes: their names, times, names of files, and bytes."""
    if words[0] == "query" and words[-1] == ALL:
        return code, re.sub(r"20\S+", "TIME", out), ""

    def without(text):
        text = text.replace(lake, "LAKE")
        text = re.sub(r"[0-9a-f]{32}", "NAME", text)
        text = re.sub(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", text)
        # Of rows with the time of day in them, the bytes differ.
        text = re.sub(r"(?<=,)\d{4,}(?=,)", "SIZE", text)
        return re.sub(r"\d+(\.\d+)? (bytes|kB|MB)", "SIZE", text)

    return code, without(out), without(err)


def said(program, words, lake):
    """Runs a command on a lake, and returns what it said."""
    if "--retention" in words:
        # What a retention of a second keeps is the same only where all before it is older; stores tell times in whole seconds.
        time.sleep(2.5)
    return plain(words, *program.run(*words, *AS_OF, "--lake", lake), lake)


def on_a_folder(folder):
    """Runs all commands on a lake in a folder, once, and returns what they said."""
    if not SAID:
        program = Program({})
        SAID.extend(said(program, words, str(folder / "local")) for words in COMMANDS)
    return SAID


def same_on_a_folder(program, uri, folder):
    """Runs all commands on a lake in a store."""
    expected = on_a_folder(folder)
    started = time.monotonic()
    for words, before in zip(COMMANDS, expected):
        found = said(program, words, uri)
        check(f"{' '.join(words)} says something else than on a folder", found == before, f"{before}\n{found}")
    print(f"  {len(COMMANDS)} commands as on a folder: {time.monotonic() - started:.1f} s")


def eight_at_once(program, uri, folder):
    """Has eight processes write at once."""
    exports = folder / "exports"
    paths = []
    for writer in range(8):
        made = program.run("generate", "--sessions", "40", "--seed", str(writer), "--format", "ndjson", "--out", str(exports / str(writer)))
        check("generate failed", made[0] == 0, made)
        paths.append(str(exports / str(writer)))
    started = time.monotonic()
    running = [program.start("ingest", path, "--lake", uri, "--max-bad", "1000", "--no-upkeep") for path in paths]
    for process in running:
        code, out, err = program.end(process)
        check("a writer among eight failed", code == 0, out + err)
    alone = str(folder / "alone")
    program.run("ingest", *paths, "--lake", alone, "--max-bad", "1000")
    count = ["query", "--csv", "-c", "select count(*), count(distinct session_id) from workflow_sessions", *AS_OF]
    check("eight writers lost sessions", program.run(*count, "--lake", uri)[1] == program.run(*count, "--lake", alone)[1])
    code, out, _ = program.run("query", "--csv", "-c", "select count(ledger), max(version) from lake_history", *AS_OF, "--lake", uri)
    check("eight writers made another number of versions", out.split()[-1:] == ["8,8"], out)
    print(f"  8 writers at once: {time.monotonic() - started:.1f} s")


def answers_are_lost(program, bucket, port):
    """Loses the answers to commits."""
    for loses in ([True], [False, True], [True] * 3):
        left = list(loses)

        def fault(command, path):
            is_commit = command == "PUT" and re.search(r"_delta_log/\d{20}\.json$", path)
            return "lost" if is_commit and left and left.pop(0) else None

        server = failing(port, fault)
        uri = f"s3://{bucket}/lost-{len(loses)}{loses[0]}"
        code, out, err = program.run("ingest", "data/workflow_sessions.csv", "--lake", uri, AWS_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        check(f"a commit whose answer is lost ({loses}) is no error", code == 0, out + err)
        server.shutdown()
        code, out, _ = program.run("query", "--csv", "-c", "select count(*), max(version) from lake_history where ledger is not null", "--lake", uri)
        check(f"a commit whose answer is lost ({loses}) stands once", out.split()[-1:] == ["1,1"], out)
    print("  lost answers: commits stand once")


def each_request_fails(program, bucket, port, folder):
    """Has each write of an ingest and of an upkeep fail in turn: its answer is lost, or it and all after it are refused. The lake is then what it was or what it was to be,
    and the same command brings it there."""
    started = time.monotonic()
    exports = folder / "twice"
    program.run("generate", "--sessions", "120", "--seed", "3", "--snapshots", "2", "--format", "ndjson", "--out", str(exports))
    first, second = sorted(str(path) for path in exports.rglob("*.ndjson"))
    rows = ["query", "--csv", "-c", "select * from workflow_sessions order by session_id", *AS_OF, "--lake"]
    base = str(folder / "base")
    program.run("ingest", first, "--lake", base, "--no-upkeep")
    trials = 0
    for words, ready in ((["ingest", second], []), (["optimize"], ["ingest", second, "--no-upkeep"])):
        start = folder / f"from-{words[0]}"
        shutil.copytree(base, start)
        if ready:
            program.run(*ready, "--lake", str(start))
        before = program.run(*rows, str(start))[1]
        goal = folder / f"to-{words[0]}"
        shutil.copytree(start, goal)
        program.run(*words, "--lake", str(goal))
        after = program.run(*rows, str(goal))[1]
        count = None
        for mode, at in [("none", 0)] + [(mode, at) for at in range(1, 40) for mode in ("lost", "refused")]:
            if count is not None and at > count:
                break
            uri, seen = f"s3://{bucket}/faults/{words[0]}-{mode}-{at}", []
            there = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            for path in sorted(start.rglob("*")):
                if path.is_file():
                    there.request("PUT", f"/{bucket}/faults/{words[0]}-{mode}-{at}/{path.relative_to(start)}", path.read_bytes(), {"Content-Type": "application/octet-stream"})
                    there.getresponse().read()
            there.close()

            def fault(command, path):
                if command in ("PUT", "POST", "DELETE"):
                    seen.append(path)
                if mode == "lost" and command in ("PUT", "POST", "DELETE") and len(seen) == at:
                    return "lost"
                return "refused" if mode == "refused" and len(seen) >= at else None

            server = failing(port, fault)
            code, out, err = program.run(*words, "--lake", uri, AWS_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
            server.shutdown()
            what = f"{words[0]}, write {at} {mode}"
            if mode == "none":
                count = len(seen)
            found = program.run(*rows, uri)
            # What is refused behind the commit, such as a checkpoint, is no failure of the command.
            fine = found[1] == after if code == 0 else found[1] in (before, after)
            check(f"{what}: the lake is neither what it was nor what it was to be", fine and (code == 0 or mode == "refused"), f"{code} {out}{err}\n{found}"[:2000])
            again = program.run(*words, "--lake", uri)
            check(f"{what}: the same command brings it there", again[0] == 0 and program.run(*rows, uri)[1] == after, again)
            trials += 1
    print(f"  each write fails in turn: {trials} runs, {time.monotonic() - started:.1f} s")


def secrets_stay(program, uri, port, log):
    """Looks for what nobody should read."""
    server = serve(Refusing)
    for words in (["query", "-c", "select 1"], ["ingest", "data/workflow_sessions.csv"]):
        refused = program.run(*words, "--lake", uri, AWS_ENDPOINT=f"http://127.0.0.1:{server.server_port}", SESSIONLAKE_LOG="trace")
        check("what refuses is told", refused[0] == 4 and "AccessDenied" in refused[2], refused)
    server.shutdown()
    nowhere = program.run("query", "-c", "select 1", "--lake", uri, AWS_ENDPOINT="http://127.0.0.1:1", SESSIONLAKE_LOG="trace")
    check("a store that is not there is told", nowhere[0] == 4 and "onnect" in nowhere[2], nowhere)
    logged = program.run("query", "-c", "select count(*) from workflow_sessions", "--lake", uri, SESSIONLAKE_LOG="trace")
    check("a query that logs all failed", logged[0] == 0, logged[2][-2000:])
    secret = list(SECRETS.values()) + [f"127.0.0.1:{port}", "http://127.0.0.1"]
    for text in program.printed + log:
        for word in secret:
            at = text.find(word)
            check(f"{word} is printed, logged or stored", at < 0, text[max(at - 200, 0) : at + 200])
    unsafe = program.run("query", "-c", "select 1", "--lake", uri, AWS_S3_ALLOW_UNSAFE_RENAME="true")
    check("AWS_S3_ALLOW_UNSAFE_RENAME is refused", unsafe[0] == 2 and "unset it" not in unsafe[1] and "AWS_S3_ALLOW_UNSAFE_RENAME" in unsafe[2], unsafe)
    print("  nothing secret is printed, logged or stored")


def reports(program, uri, out, folder):
    """Writes folders of reports into the store."""
    job = ["report", "run", "queries/volume_by_channel.sql", "queries/outcome_mix.sql", *AS_OF, "--lake", uri]
    here = program.run(*job, "--out", str(folder / "out"))
    there = program.run(*job, "--out", out)
    check("a folder of reports is made", here[0] == 0 and there[0] == 0, f"{here}\n{there}")
    first = program.run("report", "show", out, "--csv")
    check("it is shown", first[0] == 0 and "volume_by_channel" in first[1], first)
    again = program.run(*job, "--out", out)
    check("a second time it is up to date", again[0] == 0 and "up to date" in again[2], again)
    other = program.run(*job, "--out", out, "--format", "csv,json")
    check("another run takes its place", other[0] == 0, other)
    listed = program.run("report", "list", out, "--csv")
    check("it is listed", listed[0] == 0 and out in listed[1], listed)
    made = program.run("report", "verify", out)
    check("it comes out the same", made[0] == 0 and "byte for byte" in made[2], made)
    nothing = program.run("report", "list", out + "/nowhere", "--csv")
    check("no run is told", nothing[0] == 2 and "there is no run in" in nothing[2], nothing)
    foreign = program.run(*job, "--out", uri)
    check("a folder with other files is refused", foreign[0] == 2 and "is not the folder of a run" in foreign[2], foreign)
    print("  folders of reports")


def inputs_and_outputs(program, at, put, folder):
    """Takes exports out of the store, and puts results into it. `put` puts a file's bytes under a name there."""
    exports = folder / "exports-there"
    for name, kind in (("2026/11/first", ["--format", "csv", "--compression", "zstd"]), ("2026/12/second", ["--format", "ndjson"])):
        program.run("generate", "--sessions", "40", "--seed", str(len(name)), *kind, "--out", str(exports / name))
    (exports / "2026" / "_temporary").mkdir()
    (exports / "2026" / "_temporary" / "x.csv").write_text("torn")
    files = [path for path in sorted(exports.rglob("*")) if path.is_file()]
    for path in files:
        put(f"exports/{path.relative_to(exports)}", path.read_bytes())
    here, there = str(folder / "of-files"), str(folder / "of-store")
    for lake, names in ((here, [str(exports / "2026/11"), str(exports / "2026/12")]), (there, [f"{at}/exports/2026/1?/*", f"{at}/exports/2026"])):
        for name in names:
            code, out, err = program.run("ingest", "--lake", lake, name)
            check(f"{name} is taken in", code == 0, out + err)
    documented = "select * from workflow_sessions order by session_id"
    sessions = [program.run("query", "--lake", lake, "--csv", "-c", documented, *AS_OF) for lake in (here, there)]
    check("inputs in a store give what files give", sessions[0] == sessions[1] and sessions[0][1].count("\n") > 80, sessions)
    named = program.run("query", "--lake", there, "--csv", "-c", "select distinct _source from stored_sessions order by 1")
    check("they are known by their URLs", named[1].count(f"{at}/exports/2026/1") == 2, named)
    again = program.run("ingest", "--lake", there, f"{at}/exports")
    check("a second time they are known", again[0] == 0 and again[1].count("already in version") == 2 and "_temporary" not in again[1], again)
    for name, says in (("none.csv", "no such input file or folder"), ("none*.csv", "no input files match"), ("[", "broken pattern")):
        code, out, err = program.run("ingest", "--lake", there, f"{at}/exports/{name}")
        check(f"{says} is told", code == 2 and says in err and f"{at}/exports/{name}" in err, out + err)
    question = ["query", "--lake", there, "-c", "select workflow_id, count(*) as n from workflow_sessions group by 1 order by 1", *AS_OF]
    expected = program.run(*question, "--csv")[1]
    written = program.run(*question, "-o", f"{at}/results/deep/by-workflow.parquet")
    check("a result is put into the store", written[0] == 0, written)
    failed = program.run(*question, "-c", "select * from nowhere", "-o", f"{at}/results/failed.csv")
    taken = program.run("inspect", f"{at}/results/failed.csv")
    check("what fails leaves nothing there", failed[0] != 0 and "no such input file" in taken[2], f"{failed}\n{taken}")
    looked = program.run("inspect", "--csv", "--map", "workflow_id=workflow_id", f"{at}/results/deep/by-workflow.parquet")
    check("it is there", "parquet" in looked[1], f"{looked}\n{expected}")
    print("  inputs and outputs in the store")


def kept(program, uri, folder):
    """Asks a question with a cache."""
    question = ["query", "--csv", "-c", "select data->>'variables' is null, count(*) from workflow_sessions group by 1 order by 1", "--lake", uri, *AS_OF]
    expected = program.run(*question)[1]
    for name in ("cold", "warm"):
        code, out, err = program.run(*question, "--stats", "--cache-dir", str(folder / "cache"))
        check(f"with a {name} cache the answer is another", (code, out) == (0, expected), out + err)
        print(f"  {name} cache: " + "; ".join(line[7:] for line in err.splitlines() if line.startswith("stats: requests")))


def stored(port, bucket):
    """Returns all that is in a bucket of moto, as text."""
    texts = []
    there = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    there.request("GET", f"/{bucket}?list-type=2")
    for key in re.findall(r"<Key>(.*?)</Key>", there.getresponse().read().decode()):
        there.request("GET", f"/{bucket}/{key}")
        texts.append(there.getresponse().read().decode("latin-1"))
    return texts


def requests(program, uri):
    """Counts the requests of a question."""
    question = "select data->>'step', count(*) from workflow_sessions group by 1"
    _, _, err = program.run("query", "-c", question, "--lake", uri, "--stats")
    told = re.search(r"stats: requests (\d+) \((\d+) get", err)
    check("--stats counts requests", bool(told), err)
    print("  " + "\n  ".join(line for line in err.splitlines() if line.startswith("stats:")))


def s3(folder):
    """moto."""
    python = moto()
    if not python:
        print(f"skipped: S3 needs moto {MOTO} of PyPI, which could not be installed in {PATIENCE} s")
        return
    port = free_port()
    where = {} if python == sys.executable else {"PYTHONPATH": python}
    with Server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, env=where):
        there = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        there.request("PUT", "/bucket")
        check("the bucket is made", there.getresponse().status == 200)
        program = Program({**SECRETS, "AWS_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"})
        same_on_a_folder(program, "s3://bucket/lake", folder)
        eight_at_once(program, "s3://bucket/many/writers", folder)
        answers_are_lost(program, "bucket", port)
        each_request_fails(program, "bucket", port, folder)
        requests(program, "s3://bucket/many/writers")
        kept(program, "s3://bucket/many/writers", folder)
        reports(program, "s3://bucket/many/writers", "s3://bucket/reports/daily", folder)

        def put(name, content):
            there.request("PUT", f"/bucket/{name}", content, {"Content-Type": "application/octet-stream"})
            there.getresponse().read()

        there.close()
        inputs_and_outputs(program, "s3://bucket", put, folder)
        secrets_stay(program, "s3://bucket/lake", port, stored(port, "bucket"))


def azure(folder):
    """azurite."""
    server = npm("azurite", AZURITE)
    if not server:
        print(f"skipped: Azure needs Node and azurite {AZURITE} of npm, which could not be installed in {PATIENCE} s")
        return
    port = free_port()
    words = [server, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with Server(words, port):
        path = "/devstoreaccount1/container"
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
        signed = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{now}\nx-ms-version:2021-08-06\n/devstoreaccount1{path}\nrestype:container"
        signature = base64.b64encode(hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()).decode()
        there = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        there.request("PUT", f"{path}?restype=container", None, {"x-ms-date": now, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey devstoreaccount1:{signature}"})
        answer = there.getresponse()
        check("the container is made", answer.status == 201, answer.read())
        program = Program({"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}"})
        same_on_a_folder(program, "az://container/lake", folder)
        eight_at_once(program, "az://container/many", folder)
        for text in program.printed:
            check("the key of the account is printed", AZURE_KEY not in text, text)


def google(folder):
    """Our own double."""
    port = free_port()
    with Server([sys.executable, str(HERE / "google.py"), str(port)], port):
        key = folder / "key.json"
        key.write_text(f'{{"gcs_base_url": "http://127.0.0.1:{port}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}')
        program = Program({"GOOGLE_SERVICE_ACCOUNT": str(key)})
        same_on_a_folder(program, "gs://bucket/lake", folder)
        eight_at_once(program, "gs://bucket/many", folder)


def refused(folder):
    """s3rver."""
    server = npm("s3rver", S3RVER)
    if not server:
        print(f"skipped: the store that overwrites needs Node and s3rver {S3RVER} of npm, which could not be installed in {PATIENCE} s")
        return
    port = free_port()
    with Server([server, "-d", str(folder / "s3rver"), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", "bucket"], port):
        program = Program({"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"})
        code, out, err = program.run("ingest", "data/workflow_sessions.csv", "--lake", "s3://bucket/lake")
        check("a store that overwrites is refused", code == 4 and err.startswith("error: s3://bucket/lake: this store overwrites"), out + err)
        left = [path for path in (folder / "s3rver" / "bucket").rglob("*") if path.is_file() and "_S3rver" not in path.name]
        check("nothing is left in a store that is refused", not left, left)
        print("  refused")


def main():
    """Runs what is named, or all."""
    known = {"s3": s3, "azure": azure, "google": google, "refused": refused}
    for name in sys.argv[1:] or known:
        print(f"{name}: {known[name].__doc__}")
        with tempfile.TemporaryDirectory(prefix="sessionlake-stores-") as folder:
            started = time.monotonic()
            known[name](pathlib.Path(folder))
            print(f"  {name}: {time.monotonic() - started:.1f} s")
    print(f"{len(problems)} problems" if problems else "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
