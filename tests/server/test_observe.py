#!/usr/bin/env python3
"""The admin socket: metrics that are exact and parse, probes, the dashboard and its events."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from running import PATIENCE, Supervised, free_port, until

SITE = """
listen: [ "127.0.0.1:PORT" ]
admin: { listen: "unix:./admin.sock" }
log: { access: off }
routes:
  - { path: /ping, respond: { body: "pong" } }
  - { path: "/sleep/{ms}", handler: sleep }
  - { path: /ready, handler: readyz }
  - { path: /health, handler: healthz }
  - { path: /away, proxy: [ "http://127.0.0.1:1" ] }
"""
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9.e+-]+|\+Inf)")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def parse(text):
    """Prometheus's text format, strictly: {(name, labels): value}."""
    samples, types = {}, {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if head:
            if head[1] == "TYPE":
                assert head[2] not in types, f"{head[2]} twice"
                assert head[3] in ("counter", "gauge", "histogram"), line
                types[head[2]] = head[3]
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        family = re.sub(r"_(bucket|sum|count)$", "", sample[1])
        assert sample[1] in types or types.get(family) == "histogram", f"no type: {line}"
        key = sample[1], sample[2] or ""
        assert key not in samples, f"twice: {line}"
        samples[key] = float(sample[3])
    return samples


class Observe(unittest.TestCase):
    def setUp(self):
        self.server = Supervised(SITE)
        self.addCleanup(self.server.stop)
        self.socket = os.path.join(self.server.folder.name, "admin.sock")

    def ask(self, path, method="GET", connection=None):
        c = connection or UnixConnection(self.socket)
        c.request(method, path)
        answer = c.getresponse()
        body = answer.read().decode()
        if not connection:
            c.close()
        return answer.status, body

    def test_requests_are_counted_exactly_and_the_format_is_prometheus(self):
        self.server.start()
        before = parse(self.ask("/metrics")[1])
        for _ in range(50):
            self.assertEqual(self.server.get("/ping")[0], 200)
        for i in range(20):
            self.server.get(f"/made-up-{i}")
        after = parse(self.ask("/metrics")[1])
        ping = ("weft_http_requests_total",
                'host="",route="/ping",method="GET",class="2xx"')
        none = ("weft_http_requests_total", 'host="",route="",method="GET",class="4xx"')
        self.assertEqual(after[ping] - before[ping], 50)
        self.assertEqual(after[none], 20)
        self.assertNotIn("made-up", str(after))
        name, labels = "weft_http_request_duration_seconds", 'host="",route="/ping"'
        counted = after[(name + "_count", labels)]
        self.assertEqual(counted, after[ping])
        buckets = [(float(re.search('le="([^"]+)"', of)[1].replace("+Inf", "inf")), value)
                   for (what, of), value in after.items()
                   if what == name + "_bucket" and of.startswith(labels + ",")]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual(buckets[-1], (float("inf"), counted))
        self.assertEqual([value for _, value in buckets], sorted(v for _, v in buckets))
        self.assertGreater(after[("process_resident_memory_bytes", "")], 100000)
        self.assertIn(("weft_sched_switches_total", 'processor="0"'), after)
        self.assertGreaterEqual(after[("weft_http_connections_accepted_total", "")], 70)

    def test_the_socket_is_for_its_owner(self):
        self.server.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)

    def test_readiness_ends_with_the_drain_and_health_does_not(self):
        self.server.start()
        self.assertEqual(self.server.get("/ready"), (200, "ready\n"))
        self.assertEqual(self.server.get("/health"), (200, "ok\n"))
        ready, health = UnixConnection(self.socket), UnixConnection(self.socket)
        self.assertEqual(self.ask("/readyz", connection=ready), (200, "ready\n"))
        self.assertEqual(self.ask("/healthz", connection=health), (200, "ok\n"))
        self.server.signal(signal.SIGTERM)
        until(lambda: self.ask("/readyz", connection=ready) == (503, "draining\n"), "it drains")
        self.assertEqual(self.ask("/healthz", connection=health), (200, "ok\n"))
        ready.close()
        health.close()
        self.assertEqual(self.server.process.wait(PATIENCE), 0)

    def test_events_tell_the_state_until_the_client_goes(self):
        self.server.start()
        self.server.get("/away/x")
        c = UnixConnection(self.socket)
        c.request("GET", "/events")
        answer = c.getresponse()
        self.assertEqual(answer.getheader("Content-Type"), "text/event-stream")
        for _ in range(2):
            self.assertEqual(answer.readline(), b"event: state\n")
            state = json.loads(answer.readline().removeprefix(b"data: "))
            self.assertEqual(answer.readline(), b"\n")
            self.assertGreater(sum(state["requests"]), 0)
            self.assertEqual(state["upstreams"][0]["url"], "http://127.0.0.1:1")
            self.assertGreater(state["upstreams"][0]["failures"], 0)
            self.assertIn("/ping", [route["route"] for route in state["routes"]])
            self.assertGreater(len(state["procs"]), 0)
        c.close()

    def test_coroutines_are_listed_with_what_they_wait_for(self):
        self.server.start()
        with socket.create_connection(("127.0.0.1", self.server.port)) as client:
            client.sendall(b"GET /sleep/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: re.search(r"waits in .*\n(    .*\n)*    .*handler_sleep",
                                    self.ask("/coroutines")[1]), "the sleeper is listed")

    def test_a_trace_is_recorded_once_at_a_time(self):
        self.server.start()
        self.assertEqual(self.ask("/trace?seconds=x", "POST")[0], 400)
        self.assertEqual(self.ask("/trace")[0], 405)
        c = UnixConnection(self.socket)
        c.request("POST", "/trace?seconds=1")
        until(lambda: self.ask("/trace?seconds=1", "POST")[0] == 409, "one is being recorded")
        answer = c.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertIn("attachment", answer.getheader("Content-Disposition"))
        self.assertIn("traceEvents", json.loads(answer.read()))
        c.close()


class OverTcp(unittest.TestCase):
    def setUp(self):
        self.admin = free_port()
        self.server = Supervised(SITE.replace("unix:./admin.sock", f"127.0.0.1:{self.admin}"))
        self.addCleanup(self.server.stop)
        self.server.start()

    def status(self, method, path, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        c.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = c.getresponse()
        answer.read()
        c.close()
        return answer.status

    def test_pages_of_elsewhere_do_not_reach_it(self):
        self.assertEqual(self.status("GET", "/metrics"), 200)
        self.assertEqual(self.status("GET", "/metrics", Host="localhost"), 200)
        self.assertEqual(self.status("GET", "/metrics", Host="evil.example"), 403)
        self.assertEqual(self.status("GET", "/metrics", Host="127.evil.example"), 403)
        self.assertEqual(self.status("POST", "/trace", Sec_Fetch_Site="cross-site"), 403)

    @unittest.skipUnless(shutil.which("chromium"), "there is no chromium")
    def test_a_browser_draws_the_state(self):
        def page():
            with tempfile.TemporaryDirectory() as home:
                return subprocess.run(
                    ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                     f"--user-data-dir={home}", "--timeout=3000", "--dump-dom",
                     f"http://127.0.0.1:{self.admin}/"], capture_output=True, text=True,
                    timeout=120, check=False).stdout
        until(lambda: re.search(r"process \d+</span>.*<td>/ping</td>.*http://127.0.0.1:1</td>",
                                page(), re.S), "the page shows routes and upstreams")


if __name__ == "__main__":
    unittest.main()
