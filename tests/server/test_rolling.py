#!/usr/bin/env python3
"""Two instances behind a load balancer, as docs/deploy.md configures them, restarted one after the
other under load: no request fails. A balancer that is not installed is left out; `./dev check
deploy` installs both."""
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from running import PATIENCE, WEFT, Supervised, free_port, until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LOAD_SECONDS = 8


def shown(language):
    with open(os.path.join(ROOT, "docs/deploy.md"), encoding="utf-8") as file:
        return re.search(rf"```{language}\n(.*?)```", file.read(), re.S)[1]


def ask(port, path, before=b"", source="127.0.0.1"):
    """The status of a GET and the answer's text; the status is 0 when nobody answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0)) as s:
            s.sendall(before + f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                      .encode())
            text = b"".join(iter(lambda: s.recv(4096), b"")).decode()
        return int(text.split()[1]) if text else 0, text
    except OSError:
        return 0, ""


class Instance(Supervised):
    def __init__(self, proxy_protocol):
        text = shown("yaml").replace("8081", "PORT")
        super().__init__(text.replace("proxy_protocol: on", f"proxy_protocol: {proxy_protocol}"))
        self.before = b"PROXY UNKNOWN\r\n" if proxy_protocol == "on" else b""

    def answers(self, path):
        return ask(self.port, path, self.before)[0] == self.ready_status

    def log(self, start=0):
        with open(os.path.join(self.folder.name, "access.log"), encoding="utf-8") as file:
            file.seek(start)
            return file.read()

    def wait_for_load(self):
        """Until there is a request in the log from now on that is none of a health check."""
        now = os.path.getsize(os.path.join(self.folder.name, "access.log"))
        until(lambda: "/plaintext" in self.log(now), "the instance has load")


class Rolling(unittest.TestCase):
    def instances(self, proxy_protocol):
        self.both = [Instance(proxy_protocol), Instance(proxy_protocol)]
        for server in self.both:
            self.addCleanup(server.stop)
            server.start()
            self.assertIsNone(server.process.poll(), server.said())

    def balancer(self, name, text, *command):
        """Starts one on a port of its own in a folder of its own."""
        if not shutil.which(name):
            self.skipTest(f"{name} is not installed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.port = folder.name, free_port()
        for shown_port, port in [("8080", self.port), ("8081", self.both[0].port),
                                 ("8082", self.both[1].port)]:
            text = text.replace(f":{shown_port}", f":{port}")
        text = text.replace("/run/haproxy/admin.sock", os.path.join(self.folder, "haproxy.sock"))
        with open(os.path.join(self.folder, "conf"), "w", encoding="utf-8") as file:
            file.write(text)
        process = subprocess.Popen([name, *command], cwd=self.folder, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.terminate)
        until(lambda: ask(self.port, "/ping")[0] == 200 or process.poll() is not None, "it serves")
        self.assertIsNone(process.poll(), f"{name} does not take its configuration")

    def command(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.folder, "haproxy.sock"))
            s.sendall(line.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(4096), b"")).decode()

    def is_up(self, name):
        """By haproxy's list: backend, server and, at the 18th place, the state."""
        rows = [line.split(",") for line in self.command("show stat").splitlines()]
        return any(row[:2] == ["weft", name] and row[17] == "UP" for row in rows if len(row) > 17)

    def restart(self, server):
        server.process.terminate()
        self.assertEqual(server.process.wait(PATIENCE), 0)
        server.start()
        self.assertIsNone(server.process.poll(), server.said())

    def restarted_under_load(self, around):
        """Restarts both under load, around(i, restart) doing what the balancer needs."""
        load = subprocess.Popen(["wrk", "-t1", "-c16", f"-d{LOAD_SECONDS}s", "--timeout", "10s",
                                 f"http://127.0.0.1:{self.port}/plaintext"],
                                stdout=subprocess.PIPE, text=True)
        try:
            for i, server in enumerate(self.both):
                server.wait_for_load()
                around(i, lambda: self.restart(server))
                server.wait_for_load()
            self.assertIsNone(load.poll(), "the load ended before the restarts did")
        finally:
            out, _ = load.communicate(timeout=PATIENCE)
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        self.assertGreater(int(re.search(r"(\d+) requests in", out)[1]), 100)

    def test_behind_haproxy_that_drains_first(self):
        self.instances("on")
        self.balancer("haproxy", shown("haproxy"), "-f", "conf")
        self.assertIn("127.0.0.7 ", self.seen_from("127.0.0.7"))

        def around(i, restart):
            name = ["one", "two"][i]
            self.command(f"set server weft/{name} state drain")
            restart()
            self.command(f"set server weft/{name} state ready")
            until(lambda: self.is_up(name), "haproxy sees that it is up")
        self.restarted_under_load(around)

    def test_behind_haproxy_that_finds_out(self):
        self.instances("on")
        self.balancer("haproxy", shown("haproxy"), "-f", "conf")

        def around(i, restart):
            restart()
            until(lambda: self.is_up(["one", "two"][i]), "haproxy sees that it is up")
        self.restarted_under_load(around)

    def test_behind_nginx(self):
        self.instances("off")
        text = "daemon off; master_process off; pid nginx.pid; error_log stderr;\n" \
               "events {}\nhttp { access_log off;\n" + shown("nginx") + "}\n"
        self.balancer("nginx", text, "-p", ".", "-c", "conf")
        self.assertIn("127.0.0.7 ", self.seen_from("127.0.0.7"))

        def around(i, restart):
            restart()
            if i == 0:
                time.sleep(1.1) # the page: more than fail_timeout between the two
        self.restarted_under_load(around)

    def seen_from(self, source):
        """The instances' access logs after a request from this address."""
        self.assertEqual(ask(self.port, "/ping", source=source)[0], 200)
        until(lambda: any(source in s.log() for s in self.both), f"{source} is in the log")
        return "".join(s.log() for s in self.both)


class Manifest(unittest.TestCase):
    def test_the_configuration_in_the_kubernetes_manifest_is_one(self):
        with open(os.path.join(ROOT, "server/packaging/kubernetes.yaml"), encoding="utf-8") as file:
            lines = re.search(r"  weft\.yaml: \|\n((?:    .*\n)+)", file.read())[1]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
            config.write(re.sub(r"^    ", "", lines, flags=re.M))
            config.flush()
            said = subprocess.run([WEFT, "check", config.name], capture_output=True, text=True,
                                  timeout=PATIENCE, check=False)
        self.assertEqual(said.returncode, 0, said.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
