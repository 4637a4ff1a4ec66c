#!/usr/bin/env python3
"""Opens a report page in headless Chromium and checks it.

usage: check.py [FOLDER-OR-PAGE] [--out FOLDER]

Checked, at 375 and 1280 pixels, light and dark: no message on the console, no request for anything but the page itself, nothing
wider than the screen, texts and marks with enough contrast, tables, drawings and links with their names. Screenshots and the
page as PDF go to the output folder (default: target/browser/shots). Without an argument it takes the page that
`cargo test --lib report::html` writes. Exit codes: 0 fine or skipped, 1 problems, 2 no page.
"""

import argparse
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions", "--no-default-browser-check",
    "--disable-features=OptimizationHints,MediaRouter,Translate", "--hide-scrollbars",
    # Nothing is found outside, whatever asks.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--force-device-scale-factor=1",
]
# The browser's own lines on the console, beside which the page's stand.
MESSAGE = re.compile(r"CONSOLE[:(]")


def run(browser, arguments, dark=False):
    """Runs the browser on a fresh profile and returns what it printed, and the addresses that it asked for."""
    with tempfile.TemporaryDirectory(prefix="sessionlake-browser-") as profile:
        log = pathlib.Path(profile) / "net.json"
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
        command = [browser, *FLAGS, *scheme, f"--user-data-dir={profile}/profile", f"--log-net-log={log}", "--enable-logging=stderr", "--v=0", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, check=False)
        return done, requests(log)


def requests(log):
    """Returns the addresses that a page asked for, from the browser's own log; what the browser asks for itself has no origin."""
    if not log.exists():
        return ["the browser kept no log"]
    text = log.read_text(errors="replace").rstrip().rstrip(",")
    try:
        events = json.loads(text)["events"]
    except ValueError:
        # A browser that was stopped leaves the list open.
        events = json.loads(text + "]}")["events"]
    asked = (event.get("params") or {} for event in events)
    return sorted({each["url"] for each in asked if "url" in each and each.get("initiator", "not an origin") != "not an origin"})


def probe(browser, page, width, dark, folder):
    """Looks at a copy of the page from inside, in a frame of the width."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text, count=1)
    script = (HERE / "probe.js").read_text(encoding="utf-8")
    (folder / "copy.html").write_text(text.replace("</head>", f"<script>{script}</script></head>", 1), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(
        '<!DOCTYPE html><meta charset="utf-8"><script>addEventListener("message", (event) => {'
        'document.getElementById("found").textContent = JSON.stringify(event.data); });</script>'
        f'<pre id="found"></pre><iframe src="copy.html" style="border:0;width:{width}px;height:4000px"></iframe>',
        encoding="utf-8",
    )
    done, _ = run(browser, ["--window-size=1400,900", "--virtual-time-budget=8000", "--dump-dom", frame.as_uri()], dark)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    if not found or not found.group(1):
        raise SystemExit(f"the page could not be looked at: {done.stderr[-2000:]}")
    return json.loads(html.unescape(found.group(1)))


def shoot(browser, page, width, height, dark, target, folder):
    """Takes a picture of the whole page, in a frame, as windows have a least width."""
    frame = folder / "shot.html"
    # The frame shows the page itself, with its policy.
    frame.write_text(
        f'<!DOCTYPE html><body style="margin:0"><iframe src="{page.resolve().as_uri()}" style="border:0;display:block;width:{width}px;height:{height}px"></iframe>',
        encoding="utf-8",
    )
    arguments = [f"--window-size={width},{height}", f"--screenshot={target}", "--virtual-time-budget=4000", frame.as_uri()]
    run(browser, arguments, dark)


def main():
    parser = argparse.ArgumentParser(description="Opens a report page in headless Chromium and checks it.")
    parser.add_argument("page", nargs="?", default=ROOT / "target" / "browser", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "target" / "browser" / "shots")
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print("skipped: chromium is missing")
        return 0
    page = arguments.page / "index.html" if arguments.page.is_dir() else arguments.page
    if not page.is_file():
        print(f"no page at {page}; write one with: cargo test --lib report::html", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    problems = []
    done, fetched = run(browser, ["--window-size=1280,900", "--virtual-time-budget=4000", "--dump-dom", page.resolve().as_uri()])
    problems += [f"console: {line}" for line in done.stderr.splitlines() if MESSAGE.search(line)]
    problems += [f"request: {address}" for address in fetched]
    with tempfile.TemporaryDirectory(prefix="sessionlake-page-") as name:
        folder = pathlib.Path(name)
        for width in (375, 1280):
            for dark in (False, True):
                scheme = "dark" if dark else "light"
                state = probe(browser, page, width, dark, folder)
                where = f"{width} px, {scheme}"
                if state["dark"] != dark or state["width"] != width:
                    problems.append(f"{where}: the browser did not take width or colours: {state}")
                problems += [f"{where}: fetched {address}" for address in state["fetched"]]
                problems += [f"{where}: {problem}" for problem in state["problems"]]
                target = arguments.out / f"{width}-{scheme}.png"
                shoot(browser, page, width, min(state["height"], 16_000), dark, target, folder)
                if not target.is_file() or target.stat().st_size < 10_000:
                    problems.append(f"{where}: no screenshot")
                print(f"{where}: {state['contrast']['texts']} texts, least contrast {state['contrast']['least']}, {state['height']} px high")
    paper = arguments.out / "page.pdf"
    run(browser, [f"--print-to-pdf={paper}", "--no-pdf-header-footer", page.resolve().as_uri()])
    if not paper.is_file():
        problems.append("the page could not be printed")
    for problem in problems:
        print(f"problem: {problem}")
    print(f"{len(problems)} problems; screenshots in {arguments.out}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
