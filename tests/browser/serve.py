#!/usr/bin/env python3
"""Asks a lake from the page of `sessionlake serve --http` in headless Chromium and checks what it shows.

usage: serve.py [BINARY] [--out FOLDER]

Checked: a query that is typed, with completion, gives the rows of `query`; its chart; the form of a query that ships; an error at its place;
a hundred thousand rows of which few are in the document; a download, byte for byte; a link that asks the same again; the runs of reports; a
log-in, whose token is in no address. At 375 and 1280 pixels, light and dark, the page is looked at from inside as reports are (probe.js).
No exception, no message of the page's policy, no request to anybody else. Screenshots go to the output folder (default:
target/browser/serve). Exit codes: 0 fine or skipped, 1 problems, 2 no binary.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from check import FLAGS, HERE, NAMES, ROOT
from driver import Browser

AS_OF = "2026-11-21T00:00:00Z"
BY_TYPE = "select communication_type as channel, count(*) as sessions from workflow_sessions group by 1 order by 2 desc, 1"
MANY = "select value as n, md5(value::text) as hash from generate_series(1, 100000) order by 1"
IDLE = "document.getElementById('run').disabled === false && !document.getElementById('work').hidden"
PASSWORD = "correct horse"


class Server:
    """A server that runs until it is stopped."""

    def __init__(self, binary, folder, *flags):
        command = [binary, "serve", "--http", "127.0.0.1:0", *flags]
        self.child = subprocess.Popen(command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = ""
        for line in self.child.stderr:
            said += line
            found = re.search(r"http://(127\.0\.0\.1:\d+)", line)
            if found:
                self.address = f"http://{found.group(1)}/"
                break
        else:
            raise SystemExit(f"the server ended: {said}")
        # What it says goes on being read, so that it never waits for a reader.
        threading.Thread(target=self.child.stderr.read, daemon=True).start()

    def stop(self):
        self.child.terminate()
        self.child.wait(30)


def environment(folder):
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "SESSIONLAKE_LAKE": "lake"}


def sessionlake(binary, folder, *arguments):
    done = subprocess.run([binary, *arguments], cwd=folder, env=environment(folder), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def verifier(password):
    """What a users file keeps of a password: SCRAM-SHA-256, as PostgreSQL writes it."""
    salt, rounds = b"sixteen bytes of", 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    key = lambda name: hmac.new(salted, name, "sha256").digest()
    text = lambda data: base64.b64encode(data).decode()
    return f"SCRAM-SHA-256${rounds}:{text(salt)}${text(hashlib.sha256(key(b'Client Key')).digest())}:{text(key(b'Server Key'))}"


class Check:
    def __init__(self, browser, out):
        self.browser, self.out, self.problems = browser, out, []

    def that(self, holds, what):
        if not holds:
            self.problems.append(what)

    def ask(self, sql):
        """Types a query in place of what is there and runs it with the keyboard."""
        self.browser.js("document.getElementById('sql').focus(); document.getElementById('sql').select()")
        self.browser.type(sql)
        self.browser.key("Escape")
        self.browser.key("Enter", ctrl=True)
        self.browser.wait(f"{IDLE} && !document.getElementById('said').textContent.startsWith('Running')")

    def rows(self):
        """The rows that are in the document, as texts."""
        return self.browser.js(
            "[...document.querySelectorAll('#grid tbody tr:not(.gap)')].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))"
        )

    def text(self, name):
        return self.browser.js(f"document.getElementById('{name}').hidden ? '' : document.getElementById('{name}').textContent")

    def probe(self, where, width, dark):
        script = (HERE / "probe.js").read_text(encoding="utf-8")
        state = self.browser.js(
            f"new Promise((found) => {{ addEventListener('message', (event) => found(event.data), {{ once: true }}); {script}\n"
            "dispatchEvent(new Event('load')); })"
        )
        self.that(state["dark"] == dark and state["width"] == width, f"{where}: the browser did not take width or colours")
        self.problems += [f"{where}: {problem}" for problem in state["problems"]]
        print(f"{where}: {state['contrast']['texts']} texts, least contrast {state['contrast']['least']}")

    def events(self, address):
        """What the browser said meanwhile, and who was asked."""
        for event in self.browser.events:
            kind, params = event["method"], event["params"]
            if kind == "Runtime.exceptionThrown":
                self.problems.append(f"exception: {params['exceptionDetails'].get('exception', {}).get('description')}")
            elif kind == "Runtime.consoleAPICalled":
                self.problems.append(f"console: {params['args']}")
            elif kind == "Log.entryAdded" and params["entry"]["source"] != "network":
                self.problems.append(f"browser: {params['entry']['text']}")
            elif kind == "Network.requestWillBeSent":
                asked = params["request"]["url"]
                if not asked.startswith((address, "about:", "blob:", "data:,")):
                    self.problems.append(f"request: {asked}")
                if "token" in asked:
                    self.problems.append(f"a token in an address: {asked}")
        self.browser.events.clear()


def questions(check, binary, folder, server):
    browser = check.browser
    browser.look(1280, 900, False)
    browser.open(server.address)
    browser.wait("!document.getElementById('work').hidden && document.querySelectorAll('[data-query]').length > 20")
    # Completion, with the keyboard alone.
    browser.js("document.getElementById('sql').focus(); document.getElementById('sql').select()")
    browser.type("select communication_t")
    browser.wait("!document.getElementById('offers').hidden")
    browser.key("Tab")
    check.that(browser.js("document.getElementById('sql').value") == "select communication_type", "Tab takes the completion")
    browser.wait("document.querySelector('#panel-tables').textContent.includes('what the JSON of this lake holds')")
    browser.js("document.getElementById('sql').select()")
    browser.type("select data->'variables'->>'cust")
    browser.wait("document.getElementById('offers').textContent.includes('customer_tier')")
    browser.shoot(check.out / "completion.png")
    # Rows are those of the command line.
    check.ask(BY_TYPE)
    expected = json.loads(sessionlake(binary, folder, "query", "-c", BY_TYPE, "--json"))
    check.that(check.rows() == [[row["channel"] or "null", str(row["sessions"])] for row in expected], f"the rows of a query: {check.rows()}")
    browser.js("document.getElementById('tab-chart').click()")
    browser.wait("document.querySelectorAll('#plot svg .f').length > 2")
    check.that("Phone" in browser.js("document.getElementById('plot').textContent"), "the chart of a query")
    # An error is marked where it is.
    check.ask("select *\nfrom workflow_sesions")
    check.that("Line 2, column 6" in check.text("error") and "did you mean" in check.text("error"), f"an error has its place and hint: {check.text('error')}")
    check.that(browser.js("document.querySelector('#ink mark')?.textContent") == "workflow_sesions", "an error is marked")
    browser.shoot(check.out / "error.png")
    browser.js("document.querySelector('#error .place').click()")
    check.that(browser.js("document.getElementById('sql').selectionStart") == 14, "the place of an error is gone to")
    # A form of parameters.
    browser.js("document.querySelector('[data-query=stuck_sessions]').click()")
    browser.wait(IDLE)
    check.that(browser.js("document.getElementById('p-longer_than').placeholder") == "24 hours", "the default of a parameter is shown")
    browser.js("document.getElementById('options').open = true; document.getElementById('as_of').value = '" + AS_OF + "'; document.getElementById('p-longer_than').focus()")
    browser.type("4h")
    browser.key("Enter")
    browser.wait(f"{IDLE} && document.getElementById('origin').textContent.includes('{AS_OF}')")
    arguments = ["query", "queries/stuck_sessions.sql", "--param", "longer_than=4h", "--as-of", AS_OF]
    stuck = json.loads(sessionlake(binary, folder, *arguments, "--json"))
    shown = check.rows()
    check.that(shown and shown[0][0] == stuck[0]["workflow_id"] and shown[0][3] == str(stuck[0]["sessions"]), f"the form of a query: {shown[:1]}")
    # A download has the bytes of the command line.
    downloads = folder / "downloads"
    browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
    browser.js("document.getElementById('format').value = 'csv'; document.getElementById('download').click()")
    browser.wait("document.getElementById('said').textContent.includes('bytes')")
    target = downloads / "stuck_sessions.csv"
    browser.wait("true")
    for _ in range(200):
        if target.is_file():
            break
        browser.js("new Promise((done) => setTimeout(done, 30))")
    check.that(target.is_file() and target.read_bytes() == sessionlake(binary, folder, *arguments, "--csv"), "a download is what query writes")
    # The address asks the same again.
    link = browser.js("location.href")
    check.that("p.longer_than=4h" in link and "as_of=" in link, f"the address has the question: {link}")
    browser.open(link)
    browser.wait(f"{IDLE} && document.getElementById('origin').textContent.includes('{AS_OF}') && document.querySelector('#grid .here')")
    check.that(check.rows() == shown, "a link asks the same again")
    # Many rows.
    browser.open(server.address)
    browser.wait(IDLE)
    browser.js("document.getElementById('max_rows').value = '100000'")
    check.ask(MANY)
    check.that("100,000 rows" in check.text("said") and not check.text("cut"), f"many rows: {check.text('said')}")
    check.that(len(check.rows()) < 150, "few of many rows are in the document")
    browser.js("document.getElementById('grid').focus()")
    browser.key("End", ctrl=True)
    browser.wait("document.querySelector('#grid .here')?.parentElement.dataset.row === '99999'")
    check.that(check.rows()[-1][0] == "100000", "the last of many rows is gone to")
    browser.key("Enter")
    browser.wait("document.getElementById('cell').open")
    check.that(check.text("cell-value") == hashlib.md5(b"100000").hexdigest(), "a cell is shown whole")
    browser.key("Escape")
    browser.js("document.getElementById('max_rows').value = '100'")
    check.ask(MANY)
    check.that("first 100 rows" in check.text("cut"), f"that rows are cut is said: {check.text('cut')}")
    check.ask("select " + ", ".join(f"{number} as c{number}" for number in range(400)))
    check.that("first 300 of 400 columns" in check.text("cut") and len(check.rows()[0]) == 300, f"many columns: {check.text('cut')}")
    # An error after the first rows.
    check.ask("select 1 / (50000 - value) as x from generate_series(1, 100000)")
    check.that("first 100 rows" in check.text("cut"), "rows before an error that is not reached")
    browser.js("document.getElementById('max_rows').value = '100000'")
    check.ask("select 1 / (50000 - value) as x from generate_series(1, 100000)")
    check.that("division by zero" in check.text("error") and "ended with an error" in check.text("cut"), f"an error after rows: {check.text('error')}")
    # Stopped, and asked again.
    browser.js("document.getElementById('sql').focus(); document.getElementById('sql').select()")
    browser.type("select count(*) from generate_series(1, 100000000000)")
    browser.key("Enter", ctrl=True)
    browser.wait("!document.getElementById('stop').hidden")
    browser.js("document.getElementById('stop').click()")
    check.ask("select 9223372036854775807 as large")
    check.that(check.rows() == [["9223372036854775807"]], f"large numbers are exact: {check.rows()}")
    # Runs of reports.
    browser.wait("document.querySelector('#panel-reports a')")
    run = browser.js("document.querySelector('#panel-reports a').href")
    browser.open(run)
    check.that("Volume trend" in browser.js("document.body.textContent"), "a run of reports opens")
    check.events(server.address)


def looks(check, server):
    browser = check.browser
    question = "#sql=" + "select communication_type as channel, count(*) as sessions, min(started_at) as first from workflow_sessions group by 1".replace(" ", "+")
    for width in (375, 1280):
        for dark in (False, True):
            where = f"{width} px, {'dark' if dark else 'light'}"
            browser.look(width, 1000, dark)
            browser.open(server.address + question)
            browser.wait(f"{IDLE} && document.querySelector('#grid .here')")
            browser.js("document.activeElement.blur(); document.getElementById('shelf').open = true; document.getElementById('options').open = true")
            check.probe(f"{where}, rows", width, dark)
            browser.shoot(check.out / f"{width}-{'dark' if dark else 'light'}-rows.png")
            browser.js("document.getElementById('tab-chart').click(); document.getElementById('tab-tables').click(); document.querySelector('#panel-tables details').open = true")
            browser.wait("document.querySelector('#plot svg')")
            check.probe(f"{where}, chart", width, dark)
            browser.shoot(check.out / f"{width}-{'dark' if dark else 'light'}-chart.png")
    check.events(server.address)


def log_in(check, server):
    browser = check.browser
    browser.look(375, 800, False)
    browser.open(server.address)
    browser.wait("!document.getElementById('log-in').hidden")
    check.probe("375 px, log-in", 375, False)
    browser.shoot(check.out / "log-in.png")
    for password, words in (("wrong", "the user or the password is wrong"), (PASSWORD, "")):
        browser.js("document.getElementById('name').value = 'ada'; document.getElementById('password').value = ''; document.getElementById('password').focus()")
        browser.type(password)
        browser.key("Enter")
        browser.wait("!document.getElementById('log-in-error').hidden || !document.getElementById('work').hidden")
        check.that(words in check.text("log-in-error"), f"a log-in with {password!r}: {check.text('log-in-error')}")
    browser.wait("document.getElementById('user').textContent === 'ada'")
    check.ask("select 1 as one")
    check.that(check.rows() == [["1"]], "a question after the log-in")
    token = browser.js("sessionStorage.getItem('sessionlake.token')")
    check.that(token and token not in browser.js("location.href + document.cookie"), "the token is in no address, and no cookie that scripts see")
    browser.wait("document.querySelector('#panel-reports a')")
    run = browser.js("document.querySelector('#panel-reports a').href")
    browser.open(run)
    check.that("Volume trend" in browser.js("document.body.textContent"), "a run of reports opens after a log-in")
    browser.open(server.address)
    browser.wait("document.getElementById('user').textContent === 'ada'")
    browser.js("document.getElementById('log-out').click()")
    browser.wait("!document.getElementById('log-in').hidden")
    browser.open(run)
    check.that("Volume trend" not in browser.js("document.body.textContent"), "no run of reports opens after a log-out")
    addresses = [event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"]
    check.that(token and not any(token in address for address in addresses), "the token is in no address that is asked for")
    check.events(server.address)


def main():
    parser = argparse.ArgumentParser(description="Asks a lake from the page of the HTTP server in headless Chromium.")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("binary", nargs="?", default=target / "debug" / "sessionlake", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "target" / "browser" / "serve")
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None or os.name != "posix":
        print("skipped: chromium is missing")
        return 0
    binary = arguments.binary.resolve()
    if not binary.is_file():
        print(f"no binary at {binary}; build one with: cargo build", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    # This machine alone is found, whatever asks.
    flags = [flag.replace("~NOTFOUND", "~NOTFOUND, EXCLUDE 127.0.0.1") for flag in FLAGS]
    with tempfile.TemporaryDirectory(prefix="sessionlake-serve-") as name:
        folder = pathlib.Path(name)
        shutil.copytree(ROOT / "queries", folder / "queries")
        sessionlake(binary, folder, "ingest", str(ROOT / "data" / "workflow_sessions.csv"), "--exported-at", AS_OF, "--quiet")
        sessionlake(binary, folder, "report", "run", "queries/volume_trend.sql", "--out", "runs/day", "--as-of", AS_OF, "--quiet")
        (folder / "users.toml").write_text(f'[[user]]\nname = "ada"\nrole = "reader"\nverifier = "{verifier(PASSWORD)}"\n', encoding="utf-8")
        browser = Browser(program, flags)
        check = Check(browser, arguments.out)
        server = Server(binary, folder, "--reports", "runs")
        try:
            questions(check, binary, folder, server)
            looks(check, server)
            server.stop()
            server = Server(binary, folder, "--reports", "runs", "--users", "users.toml")
            log_in(check, server)
        finally:
            server.stop()
            browser.close()
    for problem in check.problems:
        print(f"problem: {problem}")
    print(f"{len(check.problems)} problems; screenshots in {arguments.out}")
    return 1 if check.problems else 0


if __name__ == "__main__":
    sys.exit(main())
