"""chromium.py: a headless Chromium of the test's own, driven over the DevTools protocol.

    with Chromium() as browser:
        page = browser.open("http://127.0.0.1:8080/")
        page.wait_for("document.querySelector('h1')")
        page.screenshot("home.png", dark=True)
"""
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

from websocket import WebSocket

PATIENCE = 60
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*",
           "--no-proxy-server", "--window-size=900,760"]


class Page:
    """A tab. Errors of its scripts are in `errors`."""

    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session
        self.errors = []

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        """What the expression gives, awaited if it is a promise; it must be JSON."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True, userGesture=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression):
        """Waits until the expression is true, as JavaScript has it."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.evaluate(f"Boolean({expression})"):
                return
            time.sleep(0.02)
        raise AssertionError(f"never came: {expression}; the page says:\n"
                             + self.evaluate("document.body.innerText"))

    def type(self, selector, text):
        """Types into a field and presses Enter, as a user does."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                      windowsVirtualKeyCode=13)

    def screenshot(self, path, dark=False, width=900, height=760):
        scheme = "dark" if dark else "light"
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)


class Chromium:
    def __enter__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise FileNotFoundError("there is no chromium; ./dev check browser installs it")
        self.folder = tempfile.mkdtemp(prefix="weft-chromium-")
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([program, *OPTIONS, "--user-data-dir=" + self.folder,
                                         "about:blank"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        self.last_id, self.pages = 0, {}
        try:
            self.socket = WebSocket(self.address(), patience=PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def address(self):
        """Where it listens, as it says; what it says from then on is read and dropped."""
        said = ""
        for line in self.process.stderr:
            said += line
            found = re.search(r"DevTools listening on (ws://\S+)", line)
            if found:
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return found[1]
        raise RuntimeError("chromium did not start:\n" + said)

    def call(self, method, session=None, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def note(self, event):
        """Keeps what a page's script has thrown."""
        page = self.pages.get(event.get("sessionId"))
        if page and event["method"] == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            page.errors.append(details.get("exception", {}).get("description", details["text"]))

    def open(self, url):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        self.pages[session] = page
        page.call("Runtime.enable")
        page.call("Page.enable")
        page.call("Page.navigate", url=url)
        page.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")
        return page

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, *_):
        self.socket.socket.close()
        self.stop()
