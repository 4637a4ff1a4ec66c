"""Drives headless Chromium over a pair of pipes, with the standard library alone."""

import base64
import json
import os
import select
import subprocess
import tempfile
import time

# Seconds that the slowest step may take on a busy machine.
PATIENCE = 60


class Browser:
    """A browser on a fresh profile, with one page in it."""

    def __init__(self, program, flags):
        self.profile = tempfile.TemporaryDirectory(prefix="sessionlake-browser-", ignore_cleanup_errors=True)
        asked, self.questions = os.pipe()
        self.answers, answered = os.pipe()

        def pipes():
            # What is one of these numbers already must not be written over.
            to, back = os.dup(asked), os.dup(answered)
            os.dup2(to, 3)
            os.dup2(back, 4)

        command = [program, *flags, f"--user-data-dir={self.profile.name}/profile", "--remote-debugging-pipe", "about:blank"]
        self.child = subprocess.Popen(command, preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(asked)
        os.close(answered)
        self.rest, self.number, self.events, self.session = b"", 0, [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        """Sends a command and waits for its result; events that come before it are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.questions, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.read(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def read(self, until):
        while b"\0" not in self.rest:
            if not select.select([self.answers], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self.rest += part
        one, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(one)
        if "method" in message:
            self.events.append(message)
        return message

    def js(self, code):
        """Evaluates an expression in the page and returns its value."""
        found = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{code}: {found['exceptionDetails'].get('exception', {}).get('description')}")
        return found["result"].get("value")

    def wait(self, code):
        """Waits until an expression is true in the page, whatever the page is until then."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.js(f"(() => {{ try {{ return Boolean({code}); }} catch {{ return false; }} }})()"):
                return
            time.sleep(0.03)
        raise TimeoutError(f"never true: {code}")

    def open(self, address):
        """Opens an address in the page, also one that differs from the last behind # alone."""
        self.ask("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self.ask("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address.split('#')[0])}) && document.readyState === 'complete'")

    def look(self, width, height, dark):
        """Sets the size of the window and the colours."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def key(self, key, ctrl=False):
        number = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32, "End": 35, "Home": 36, "ArrowDown": 40, "ArrowRight": 39}[key]
        code = "Space" if key == " " else key
        # A form is sent by what Enter writes, and not by the key itself.
        written = {"text": "\r"} if key == "Enter" and not ctrl else {}
        for kind, more in (("keyDown" if written else "rawKeyDown", written), ("keyUp", {})):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=code, modifiers=2 if ctrl else 0, windowsVirtualKeyCode=number, **more)

    def shoot(self, path):
        # What is below the window is drawn a moment after it is asked for.
        self.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        got = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(got["data"]))

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.questions)
        os.close(self.answers)
        self.profile.cleanup()
