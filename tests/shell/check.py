#!/usr/bin/env python3
"""Types into `sessionlake shell` on a terminal of its own and checks what appears.

usage: check.py [BINARY]

Checked: statements of several lines, history over two shells, completion of commands, names and JSON paths, colours that are there and
that NO_COLOR leaves out, an interrupt at the prompt and in a statement, \\watch, \\e, a pager, and a terminal that is as it was after a
signal. Needs a system with pseudo terminals; elsewhere it is skipped. Exit codes: 0 fine or skipped, 1 problems, 2 no binary.
"""

import os
import pathlib
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

try:
    import fcntl
    import pty
    import termios
except ImportError:
    print("skipped: there are no pseudo terminals here")
    sys.exit(0)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")
# Seconds that the slowest step may take on a busy machine.
PATIENCE = 60


class Shell:
    """A shell on a terminal."""

    def __init__(self, binary, folder, *flags, **env):
        self.master, slave = pty.openpty()
        self.settings = termios.tcgetattr(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        env = {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": folder, "PAGER": "", "SESSIONLAKE_LAKE": "lake", **env}
        self.process = subprocess.Popen(
            [binary, "shell", *flags], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env, start_new_session=True, close_fds=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.slave = slave
        self.seen = b""
        self.raw = b""

    def type(self, text):
        os.write(self.master, text.encode())

    def wait(self, pattern, what):
        """Waits until a pattern appears in what was not looked at yet."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = re.search(pattern, self.seen.decode(errors="replace"), re.S)
            if found:
                self.seen = self.seen.decode(errors="replace")[found.end():].encode()
                return found
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    part = os.read(self.master, 65536)
                except OSError:
                    part = b""
                if not part:
                    break
                self.raw += part
                self.seen += ESCAPES.sub(b"", part)
        raise AssertionError(f"{what}: no {pattern!r} in {self.seen.decode(errors='replace')[-1500:]!r}")

    def ask(self, text, pattern, what=None):
        self.type(text)
        return self.wait(pattern, what or text)

    def end(self):
        code = self.process.wait(PATIENCE)
        os.close(self.master)
        os.close(self.slave)
        return code


def steps(binary, folder):
    """Yields the name of each step and whether it is right."""
    run = [binary, "-q", "--lake", f"{folder}/lake"]
    exports = ROOT / "data" / "workflow_sessions.csv"
    subprocess.run([*run, "ingest", "--exported-at", "2026-11-21T00:00:00Z", str(exports)], check=True, cwd=folder, timeout=300)
    prompt = r"v\d+> $"

    shell = Shell(binary, folder)
    shell.wait(r"at version \d+, now is .*" + prompt, "a greeting and a prompt")
    shell.type("select count(*) as sessions,\r")
    time.sleep(0.3)
    shell.ask("  'a;b' as text\rfrom workflow_sessions;\r", r"sessions +\| text.*\| +\d+ \| a;b.*" + prompt)
    yield "a statement of several lines", True
    yield "colours", b"\x1b[1;34m" in shell.raw

    # The paths are read while one types.
    until = time.monotonic() + PATIENCE
    while True:
        shell.type("select data->'variables'->>'customer_ti\t")
        try:
            shell.wait(r"customer_tier'", "a JSON path")
            break
        except AssertionError:
            if time.monotonic() > until:
                raise
        finally:
            shell.type("\x03")
            shell.wait(prompt, "a prompt after giving up")
    yield "JSON paths are completed", True
    shell.ask("select workflow_se\t", r"workflow_sessions")
    shell.type("\x03")
    shell.wait(prompt, "a prompt")
    shell.ask("\\timi\t\r", r"timing is on.*" + prompt)
    shell.ask("select 1 as one;\r", r"\| +1 \|.*time: \d.*ms.*" + prompt)
    yield "commands are completed", True

    # It would take many minutes, so that it runs whenever the interrupt comes.
    shell.type("select count(*) from generate_series(1, 1000000000000) a(x) where x % 7 = 3;\r")
    time.sleep(1.5)
    shell.ask("\x03", r"stopped.*" + prompt, "an interrupt in a statement")
    shell.ask("select 2 as two;\r", r"\| +2 \|.*" + prompt)
    shell.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    shell.ask("select 3 as three;\r", r"\| +3 \|.*" + prompt, "a signal of interrupt at the prompt")
    yield "an interrupt stops a statement and no shell", True

    shell.ask("\\watch 0.2\r", r"version \d+.*\| +3 \|.*version \d+.*\| +3 \|", "watching")
    shell.ask("\x03", r"stopped.*" + prompt, "the end of watching")
    yield "a statement is watched", True

    shell.ask("\\x\r", r"expanded is on.*" + prompt)
    shell.ask("select 4 as four;\r", r"-\[ 1 \]-+.*four \| 4.*" + prompt)
    yield "a line for each value", True
    shell.type("\\q\r")
    yield "the end", shell.end() == 0

    editor = pathlib.Path(folder) / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/3 as three/5 as five/' \"$1\"\n")
    editor.chmod(0o755)
    shell = Shell(binary, folder, EDITOR=str(editor), NO_COLOR="1", PAGER="sed s/^/page:/")
    shell.wait(prompt, "a second shell")
    shell.type("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A")
    shell.ask("\r", r"page:\| +3 \|.*" + prompt, "the history of the first shell, and a pager")
    yield "a history over two shells, and a pager", True
    yield "no colours where none are wanted", b"\x1b[1;34m" not in shell.raw
    shell.ask("\\e\r", r"select 5 as five;", "the edited statement")
    shell.ask("\r", r"page:\| +5 \|.*" + prompt, "its result")
    yield "a statement is edited", True
    shell.process.send_signal(signal.SIGTERM)
    code = shell.process.wait(PATIENCE)
    yield "a signal ends the shell", code == 143
    now = termios.tcgetattr(shell.slave)
    yield "and leaves the terminal as it was", now[3] == shell.settings[3]
    shell.end()
    history = pathlib.Path(folder) / ".local/state/sessionlake/history"
    yield "the history is for its owner alone", history.exists() and history.stat().st_mode & 0o077 == 0


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else target / "debug" / "sessionlake").resolve()
    if not binary.exists():
        print(f"{binary} is not built")
        return 2
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="sessionlake-shell-") as folder:
        try:
            for step, right in steps(str(binary), folder):
                print(f"{'fine' if right else 'WRONG'}: {step}")
                wrong += not right
        except AssertionError as error:
            print(f"WRONG: {error}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
