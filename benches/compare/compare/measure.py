"""Runs processes and measures them: wall time, CPU time of all threads, peak memory."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Measured:
    """What a process took and gave."""

    wall: float
    cpu: float
    peak_bytes: int
    status: str
    output: str

    @property
    def fine(self) -> bool:
        return self.status == "fine"


def process(command: list, text: str = "", limit: float = 120, env: dict | None = None) -> Measured:
    """Runs a process to its end, or for `limit` seconds."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(text.encode())
        given.seek(0)
        start = time.perf_counter()
        child = _start(command, env, stdin=given, stdout=out, stderr=errors)
        with _limited(child, limit):
            usage, code = _wait(child)
            wall = time.perf_counter() - start
        out.seek(0)
        errors.seek(0)
        status = _status(code, errors.read().decode(errors="replace"), limit)
        return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, status, out.read().decode())


def lake_repeats(command: list, statement: str, repeats: int, limit: float) -> tuple[list[tuple[float, float]], str]:
    """Runs a script of one statement many times in one process of sessionlake, and times each by when its result is out.

    The program prints a result as a JSON array, with the bracket that closes it on a line of its own, as soon as it has it.
    CPU time is read from the process's own clock at that moment.
    """
    script = f"{statement.rstrip().rstrip(';')};\n" * repeats
    times: list[tuple[float, float]] = []
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(script.encode())
        given.seek(0)
        child = _start(command, None, stdin=given, stdout=subprocess.PIPE, stderr=errors)
        clock = (~child.pid << 3) | 2  # what clock_getcpuclockid(3) makes of a process
        wall, cpu = time.perf_counter(), 0.0
        with _limited(child, limit), child.stdout:
            for line in child.stdout:
                if line in (b"]\n", b"[]\n"):
                    now, used = time.perf_counter(), time.clock_gettime(clock)
                    times.append((now - wall, used - cpu))
                    wall, cpu = now, used
            _, code = _wait(child)
        errors.seek(0)
        return times, _status(code, errors.read().decode(errors="replace"), limit)


def peer_repeats(measured: Measured) -> list[tuple[float, float]]:
    """Reads the times that a peer's process printed."""
    lines = [json.loads(line) for line in measured.output.splitlines() if line.startswith("[")]
    return [(wall, cpu) for wall, cpu in lines]


def bytes_below(path: Path) -> int:
    """Returns the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _start(command: list, env: dict | None, **streams) -> subprocess.Popen:
    return subprocess.Popen([str(part) for part in command], env=os.environ | (env or {}), **streams)


@contextlib.contextmanager
def _limited(child: subprocess.Popen, limit: float):
    # A handle, for the number may be another process's by then.
    handle = os.pidfd_open(child.pid)

    def stop() -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)

    timer = threading.Timer(limit, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        os.close(handle)


def _wait(child: subprocess.Popen):
    _, code, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(code)
    return usage, child.returncode


def _status(code: int, errors: str, limit: float) -> str:
    if code == 0:
        return "fine"
    if code == -signal.SIGKILL:
        return f"stopped: more than {limit:g} s, or out of memory"
    lines = [line for line in errors.splitlines() if line.strip()] or [f"exit code {code}"]
    return lines[-1][:300]
