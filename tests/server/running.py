"""running.py: a supervised server in a folder of its own, for tests."""
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

WEFT = os.environ["WEFT_BIN"]
PATIENCE = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(claim, what):
    """Waits until claim() holds; fails when it does not in good time."""
    end = time.monotonic() + PATIENCE
    while not claim():
        if time.monotonic() > end:
            raise AssertionError(f"did not come true: {what}")
        time.sleep(0.01)


class Supervised:
    """`weft serve -c weft.yaml`, where the text's PORT stands for a free port."""

    def __init__(self, text, files=(), ready_status=200, **environ):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.ready_status = ready_status # of /ping
        self.environ = {**os.environ, **environ}
        for name, content in files:
            os.makedirs(os.path.join(self.folder.name, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(self.folder.name, name), "w", encoding="utf-8") as file:
                file.write(content)
        self.path = os.path.join(self.folder.name, "weft.yaml")
        self.write(text)
        self.errors = open(os.path.join(self.folder.name, "errors"), "w+", encoding="utf-8")
        self.process = None

    def write(self, text):
        # renamed into place, as an operator's tools do
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text.replace("PORT", str(self.port)))
        os.rename(self.path + ".new", self.path)

    def start(self, exe=WEFT):
        self.process = subprocess.Popen([exe, "serve", "-c", self.path], env=self.environ,
                                        stdout=subprocess.DEVNULL, stderr=self.errors)
        until(lambda: self.answers("/ping") or self.process.poll() is not None, "it serves")
        return self

    def get(self, path, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def answers(self, path):
        try:
            return self.get(path)[0] == self.ready_status
        except OSError:
            return False

    def workers(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid and fields[0] != "Z":
                    found.append(int(pid))
            except OSError:
                pass
        return sorted(found)

    def signal(self, sig):
        self.process.send_signal(sig)

    def said(self):
        with open(self.errors.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        """Ends it; gives its exit status."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE) if self.process else None
        self.errors.close()
        self.folder.cleanup()
        return status
