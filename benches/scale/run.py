#!/usr/bin/env python3
"""Measures what an answer costs by its parts, on one process, on workers and over a store, and says what more sessions and more workers would take.

    python3 run.py --sessionlake ../../target/release/sessionlake --sessions 1000000 10000000

Lakes are made once in the folder and kept there. Everything is measured in turn, --rounds times, and the least is taken: a machine that does
other things only adds. CPU seconds are those of the client and of the workers together. The tables of docs/scaling.md are what this prints.
"""

import argparse
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = "2026-11-21T00:00:00Z"
# Usual questions: of plain columns, of a JSON path, of neighbours in each caller's history (a sort, and all rows go between workers), of one session.
QUESTIONS = {
    "volume": "select workflow_id, count(*) as n, avg(time_in_workflow) as mean from workflow_sessions group by 1 order by 1",
    "JSON path": "select data->'details'->>'language' as language, count(*) as n from workflow_sessions group by 1 order by 1",
    "came back": "select count(*) from (select started_at - lag(started_at) over (partition by source_details_phone_number order by started_at) as gap "
    "from workflow_sessions) where gap < interval '1 day'",
    "one session": "select started_at, outcome from (select started_at, data->>'outcome' as outcome, session_id from workflow_sessions) "
    "where session_id = '{id}'",
}
SCANS = ["volume", "JSON path", "came back"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def children():
    """Returns the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of(pid):
    """Returns the CPU seconds of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loopback_bytes():
    """Returns the bytes that have gone over loopback."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    return 0


def until_open(port):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens at port {port}")


class Workers:
    """Worker processes of one thread each."""

    def __init__(self, program, lake, count, environment):
        self.ports = [free_port() for _ in range(count)]
        words = [program, "worker", "--lake", lake, "--threads", "1", "--bind"]
        self.processes = [subprocess.Popen([*words, f"127.0.0.1:{port}"], env=environment, stderr=subprocess.DEVNULL) for port in self.ports]
        for port in self.ports:
            until_open(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def cpu(self):
        return sum(cpu_of(process.pid) for process in self.processes)

    def flag(self):
        return ["--workers", ",".join(f"127.0.0.1:{port}" for port in self.ports)]


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = Path(args.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SESSIONLAKE_"))}

    def run(self, *words, environment=None):
        """Runs a command; returns what it prints, what it says, its seconds and its CPU seconds."""
        before, began = children(), time.monotonic()
        words = [self.args.sessionlake, *map(str, words)]
        done = subprocess.run(words, capture_output=True, text=True, env=environment or self.environment)
        took = time.monotonic() - began
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done.stdout, done.stderr, took, children() - before

    def ask(self, lake, what, *flags, workers=None, environment=None, threads=1):
        """Asks a question so many times; returns the answer, what --stats said, and the least seconds and CPU seconds."""
        best, cpu, answer, told = None, None, None, None
        for _ in range(self.args.rounds):
            before = workers.cpu() if workers else 0
            out, told, took, used = self.run("query", "--lake", lake, "--as-of", AS_OF, "--threads", threads, "--csv", "--stats", *flags,
                                             *(workers.flag() if workers else []), *what, environment=environment)
            used += (workers.cpu() - before) if workers else 0
            best, cpu = min(took, best or took), min(used, cpu or used)
            if answer is not None and answer != out:
                sys.exit(f"{what}: another answer than before")
            answer = out
        return answer, told, best, cpu

    def lake(self, sessions):
        """Makes a lake of so many sessions; returns its folder, and what it took."""
        lake, facts = self.folder / f"lake-{sessions}", self.folder / f"lake-{sessions}.json"
        if not facts.exists():
            shutil.rmtree(lake, ignore_errors=True)
            exports = self.folder / f"exports-{sessions}"
            self.run("generate", "--sessions", sessions, "--seed", 7, "--format", "csv", "--compression", "zstd", "--out", exports)
            _, _, took, cpu = self.run("ingest", "--lake", lake, *sorted(exports.iterdir()))
            shutil.rmtree(exports)
            files = [path for path in (lake / "workflow_sessions").glob("*.parquet")]
            bytes_of_log = sum(path.stat().st_size for path in (lake / "workflow_sessions" / "_delta_log").iterdir())
            facts.write_text(json.dumps({
                "sessions": sessions, "ingest_cpu": cpu, "ingest_seconds": took, "files": len(files),
                "bytes": sum(path.stat().st_size for path in files), "log_bytes": bytes_of_log}))
        return str(lake), json.loads(facts.read_text())

    def questions(self, lake):
        """Returns the questions, with the id of a session that is there."""
        out, *_ = self.run("query", "--lake", lake, "--csv", "-c", "select max(session_id) from workflow_sessions")
        one = out.split("\n")[1].strip()
        return {name: ["-c", sql.replace("{id}", one)] for name, sql in QUESTIONS.items()}


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head, rows):
    return "\n".join([row(*head), row(*["---"] * len(head)), *[row(*cells) for cells in rows]])


def told(text, pattern):
    """Returns a number that --stats told: the one before or behind a word."""
    words = text.replace(",", " ").replace("(", " ").split()
    place = words.index(pattern)
    return words[place + 1]


def scale(bench, report):
    """One process of one thread over each lake: the parts of an answer."""
    rows, measured = [], {}
    for sessions in bench.args.sessions:
        lake, facts = bench.lake(sessions)
        rows.append([f"{sessions:,}", facts["files"], f"{facts['bytes'] / sessions:.0f}", f"{facts['log_bytes'] / facts['files'] / 1000:.1f}",
                     f"{facts['ingest_cpu'] / sessions * 1e6:.1f}"])
        measured[sessions] = {"facts": facts}
        for name, what in bench.questions(lake).items():
            _, _, seconds, cpu = bench.ask(lake, what)
            measured[sessions][name] = {"seconds": seconds, "cpu": cpu}
    print("\n## Lakes\n")
    print(table(["sessions", "files", "bytes a session", "KB of log a file", "CPU s a million sessions, taken in"], rows))
    print("\n## One process, one thread: CPU seconds\n")
    names = list(QUESTIONS)
    print(table(["sessions", *names], [[f"{sessions:,}", *[f"{measured[sessions][name]['cpu']:.3f}" for name in names]] for sessions in measured]))
    report["scale"] = measured


def workers(bench, report):
    """The same on workers of one thread each."""
    rows, measured = [], {}
    for sessions in bench.args.sessions:
        lake, _ = bench.lake(sessions)
        asked = bench.questions(lake)
        shipped = {path.stem: [str(path)] for path in sorted((ROOT / "queries").glob("*.sql"))} if sessions == bench.args.sessions[0] else {}
        alone = {name: bench.ask(lake, what) for name, what in {**asked, **shipped}.items()}
        heaviest = sorted(shipped, key=lambda name: -alone[name][3])[:5]
        measured[sessions] = {}
        for count in (1, 2):
            with Workers(bench.args.sessionlake, lake, count, bench.environment) as started:
                for name in [*SCANS, *heaviest]:
                    before = loopback_bytes()
                    answer, _, seconds, cpu = bench.ask(lake, asked.get(name) or shipped[name], workers=started)
                    moved = (loopback_bytes() - before) / bench.args.rounds
                    if answer != alone[name][0]:
                        sys.exit(f"{name}: another answer on {count} workers")
                    measured[sessions].setdefault(name, {})[count] = {"seconds": seconds, "cpu": cpu, "bytes": moved}
        for name, on in measured[sessions].items():
            rows.append([f"{sessions:,}", name, f"{alone[name][2]:.2f}", f"{on[1]['seconds']:.2f}", f"{on[2]['seconds']:.2f}",
                         f"{on[2]['seconds'] / on[1]['seconds']:.2f}", f"{alone[name][3]:.2f}", f"{on[2]['cpu']:.2f}", f"{on[2]['bytes'] / 1e6:.1f}"])
            on[0] = {"seconds": alone[name][2], "cpu": alone[name][3]}
        if shipped:
            small, all_of = [], []
            for name, what in shipped.items():
                _, _, _, cpu = bench.ask(lake, what, "--workers", "local:1")
                all_of.append((name, cpu, alone[name][3]))
            total, without = sum(cpu for _, cpu, _ in all_of), sum(cpu for *_, cpu in all_of)
            small = max(all_of, key=lambda entry: entry[1] - entry[2])
            report["local"] = {"with": total, "without": without, "most": small}
    print("\n## Workers of one thread\n")
    print(table(["sessions", "question", "alone, s", "1 worker, s", "2 workers, s", "2 ÷ 1", "alone, CPU s", "2 workers, CPU s", "MB moved"], rows))
    if "local" in report:
        local = report["local"]
        print(f"\nThe shipped queries with `--workers local:1`: {local['with']:.2f} CPU s, without {local['without']:.2f}, ratio "
              f"{local['with'] / local['without']:.2f}; the most that one cost more: {local['most'][1] - local['most'][2]:.3f} s ({local['most'][0]}).")
    report["workers"] = measured


def store(bench, report):
    """The first lake in an object store on loopback, without and with a wait for each request."""
    if not bench.args.moto:
        print("\nskipped: a store needs --moto, a Python that has moto")
        return
    sessions = bench.args.sessions[0]
    local, _ = bench.lake(sessions)
    port = free_port()
    server = subprocess.Popen([*bench.args.moto.split(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until_open(port)
    rows, measured = [], {}
    try:
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("PUT", "/lakes", "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>")
        client.getresponse().read()
        for path in sorted(Path(local).rglob("*")):
            if path.is_file():
                client.request("PUT", f"/lakes/lake/{path.relative_to(local)}", path.read_bytes())
                client.getresponse().read()
        asked = bench.questions(local)
        for wait in (0, 30):
            slow = free_port()
            proxy = subprocess.Popen([sys.executable, str(Path(__file__).with_name("slow.py")), str(slow), str(port), str(wait)])
            until_open(slow)
            try:
                environment = {**bench.environment, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
                               "AWS_ENDPOINT_URL": f"http://127.0.0.1:{slow}", "AWS_ALLOW_HTTP": "true"}
                for name, what in asked.items():
                    answer, said, seconds, cpu = bench.ask("s3://lakes/lake", what, environment=environment)
                    alone, _, at_home, cpu_at_home = bench.ask(local, what)
                    if answer != alone:
                        sys.exit(f"{name}: another answer out of the store")
                    cache = bench.folder / "cache"
                    shutil.rmtree(cache, ignore_errors=True)
                    flags = ["--cache-dir", str(cache)]
                    bench.ask("s3://lakes/lake", what, *flags, environment=environment)
                    _, warm_said, warm, _ = bench.ask("s3://lakes/lake", what, *flags, environment=environment)
                    requests, again = told(said, "requests"), told(warm_said, "requests")
                    rows.append([f"{wait} ms", name, requests, told(said, "files"), f"{seconds:.2f}", f"{at_home:.2f}", f"{cpu / cpu_at_home:.2f}",
                                 again, f"{warm:.2f}"])
                    measured.setdefault(wait, {})[name] = {"requests": int(requests), "seconds": seconds, "cpu": cpu, "warm": warm}
            finally:
                proxy.terminate()
                proxy.wait()
    finally:
        server.terminate()
        server.wait()
    print(f"\n## {sessions:,} sessions in an object store, one thread\n")
    print(table(["wait", "question", "requests", "files", "cold, s", "local, s", "CPU ÷ local", "requests, warm", "warm, s"], rows))
    report["store"] = measured


def predict(bench, report):
    """What the parts come to for more sessions and workers."""
    args, measured = bench.args, report["scale"]
    smallest, largest = min(measured), max(measured)
    facts = measured[largest]["facts"]

    def per_session(name):
        """CPU seconds of one more session."""
        less, more = measured[smallest][name]["cpu"], measured[largest][name]["cpu"]
        return (more - less) / (largest - smallest) if largest > smallest else more / largest

    rows = []
    for sessions in (10**9, 10**10, 10**11):
        files = sessions / args.rows_a_file
        opening = files * args.open_us / 1e6
        cells = [f"{sessions:,}", f"{files:,.0f}", f"{sessions * facts['bytes'] / largest / 1e12:.1f}", f"{files * args.log_bytes / 1e9:.2f}", f"{opening:,.1f}"]
        for count in (1, 10, 100):
            seconds = [per_session(name) * sessions * args.overhead / (count * args.cores) + opening for name in SCANS]
            cells.append(" / ".join(f"{second:,.0f}" for second in seconds))
        rows.append(cells)
    print(f"\n## What more would take, {args.cores} cores a worker, {args.rows_a_file:,} sessions a file\n")
    print(table(["sessions", "files", "TB", "GB of log", "opening, s", *[f"{', '.join(SCANS)}: s on {count}" for count in (1, 10, 100)]], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessionlake", default=str(ROOT / "target/release/sessionlake"), help="the program")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1_000_000, 10_000_000], help="sizes of the lakes")
    parser.add_argument("--folder", default=str(Path(tempfile.gettempdir()) / "sessionlake-scale"), help="where lakes are made and kept")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--moto", default="", help="a Python that has moto, and its flags")
    parser.add_argument("--parts", nargs="+", default=["scale", "workers", "store", "predict"], help="which tables to make")
    parser.add_argument("--cores", type=int, default=8, help="cores of a worker, for what more would take")
    parser.add_argument("--rows-a-file", type=int, default=262_144, help="sessions of a file, for what more would take")
    parser.add_argument("--log-bytes", type=float, default=4_000, help="bytes of log a file (see log.py)")
    parser.add_argument("--open-us", type=float, default=24, help="microseconds that opening takes a file (see log.py)")
    parser.add_argument("--overhead", type=float, default=1.25, help="CPU on workers ÷ in one process")
    parser.add_argument("--json", help="a file for the figures")
    args = parser.parse_args()
    bench, report = Bench(args), {}
    for part in args.parts:
        {"scale": scale, "workers": workers, "store": store, "predict": predict}[part](bench, report)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
