#!/usr/bin/env python3
"""The proxy between real servers: nginx and Node behind it, haproxy before it. What is not
installed is left out; all of it goes over the loopback and ends by itself."""
import base64
import hashlib
import http.client
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROXY = os.environ.get("WEFT_PROXY", "")

NODE = r"""
const http = require('http');
const server = http.createServer((req, res) => {
  if (req.url === '/echo') { res.writeHead(200, {'X-Method': req.method}); req.pipe(res); }
  else if (req.url === '/headers') { res.end(JSON.stringify(req.rawHeaders)); }
  else if (req.url === '/trailers') {
    res.writeHead(200, {Trailer: 'X-Sum'}); res.write('body');
    res.addTrailers({'X-Sum': '42'}); res.end();
  } else if (req.url === '/events') {
    res.writeHead(200, {'Content-Type': 'text/event-stream'});
    res.write('data: 0\n\n');
    waiting.push(res);
  } else if (req.url === '/next') {
    const n = (count += 1);
    for (const w of waiting) n < 4 ? w.write(`data: ${n}\n\n`) : w.end();
    res.end('ok');
  } else if (req.url === '/hints' && res.writeEarlyHints) {
    res.writeEarlyHints({link: '</a.css>; rel=preload'}); res.end('hinted');
  } else if (req.url === '/destroy') {
    res.writeHead(200, {'Content-Length': 100}); res.write('half');
    setTimeout(() => req.socket.destroy(), 20);
  } else if (req.url === '/never') {
  } else { res.statusCode = 404; res.end(); }
});
let waiting = [], count = 0;
server.on('upgrade', (req, socket, head) => {
  const key = require('crypto').createHash('sha1')
    .update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
    .digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
               `Sec-WebSocket-Accept: ${key}\r\n\r\n`);
  socket.on('data', d => socket.write(d));      // frames back as they come
  socket.on('end', () => socket.end());
});
server.listen(process.argv[2], '127.0.0.1');
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Running:
    """A process that listens on a port, until the test's end."""

    def __init__(self, test, command, port):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        test.addCleanup(self.stop, process)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                return
            except ConnectionRefusedError:
                if process.poll() is not None:
                    test.fail(f"{command[0]} has ended: {process.stderr.read()[-500:]}")
                time.sleep(0.02)
        test.fail(f"{command[0]} does not listen")

    @staticmethod
    def stop(process):
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
        return path

    def need(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def weft_before(self, *upstreams):
        port = free_port()
        Running(self, [PROXY, f"127.0.0.1:{port}",
                       *(f"http://127.0.0.1:{u}" for u in upstreams)], port)
        return port

    def node(self):
        self.need("node")
        port = free_port()
        Running(self, ["node", self.file("server.js", NODE), str(port)], port)
        return port

    def get(self, port, path, method="GET", body=None, headers=None, **more):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.addCleanup(c.close)
        c.request(method, path, body, headers or {}, **more)
        r = c.getresponse()
        return r, r.read()


class Nginx(Case):
    def setUp(self):
        super().setUp()
        self.need("nginx")
        self.upstream = free_port()
        self.large = os.urandom(5 << 20)
        self.file("large", self.large)
        self.file("small", "small\n")
        conf = self.file("nginx.conf", f"""daemon off; master_process off; pid {self.folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 5; keepalive_timeout 30; client_max_body_size 64k;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u;
  scgi_temp_path {self.folder}/s;
  server {{ listen 127.0.0.1:{self.upstream}; root {self.folder};
    location /connection {{ return 200 '$connection'; }}
    location /for {{ return 200 '$http_x_forwarded_for|$http_host|$http_via'; }} }} }}
""")
        Running(self, ["nginx", "-p", self.folder, "-c", conf], self.upstream)
        self.port = self.weft_before(self.upstream)

    def test_a_large_file_comes_whole(self):
        r, body = self.get(self.port, "/large")
        self.assertEqual((r.status, len(body)), (200, 5 << 20))
        self.assertEqual(body, self.large)

    def test_ranges_conditions_and_HEAD_pass(self):
        r, body = self.get(self.port, "/large", headers={"Range": "bytes=100-199"})
        self.assertEqual((r.status, body), (206, self.large[100:200]))
        etag = r.getheader("ETag")
        r, body = self.get(self.port, "/large", headers={"If-None-Match": etag})
        self.assertEqual((r.status, body), (304, b""))
        r, body = self.get(self.port, "/large", "HEAD")
        self.assertEqual((r.status, body, r.getheader("Content-Length")), (200, b"", str(5 << 20)))

    def test_lines_are_kept_and_replaced_as_nginx_closes_them(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(c.close)
        seen = []
        for _ in range(12):
            c.request("GET", "/connection")
            seen.append(c.getresponse().read())
        self.assertEqual(len(set(seen)), 3, seen)  # five requests each

    def test_an_early_refusal_reaches_the_client(self):
        r, _ = self.get(self.port, "/small", "POST", b"x" * 900000)
        self.assertEqual(r.status, 413)

    def test_it_says_whom_the_request_is_from(self):
        _, body = self.get(self.port, "/for", headers={"X-Forwarded-For": "6.6.6.6"})
        self.assertEqual(body.decode(), f"127.0.0.1|127.0.0.1:{self.port}|1.1 weft")

    def test_a_dead_upstream_is_left_for_the_living(self):
        port = self.weft_before(free_port(), self.upstream)
        for _ in range(8):
            r, body = self.get(port, "/small")
            self.assertEqual((r.status, body), (200, b"small\n"))


class Node(Case):
    def setUp(self):
        super().setUp()
        self.upstream = self.node()
        self.port = self.weft_before(self.upstream)

    def test_bodies_stream_both_ways(self):
        body = os.urandom(900000)
        r, back = self.get(self.port, "/echo", "POST", body)
        self.assertEqual((r.status, r.getheader("X-Method")), (200, "POST"))
        self.assertEqual(back, body)
        r, back = self.get(self.port, "/echo", "PUT", (body[i:i + 9999] for i in
                                                       range(0, len(body), 9999)),
                           encode_chunked=True)
        self.assertEqual(back, body)

    def test_expect_100_is_answered(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                      b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
            self.assertEqual(s.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            s.sendall(b"hello")
            answer = b""
            while part := s.recv(4096):
                answer += part
        self.assertIn(b"hello", answer)

    def test_trailers_pass(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(b"GET /trailers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := s.recv(4096):
                answer += part
        self.assertTrue(answer.endswith(b"4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n"), answer)

    def test_early_hints_pass(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(b"GET /hints HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := s.recv(4096):
                answer += part
        if b"HTTP/1.1 404" in answer:
            self.skipTest("this Node has no early hints")
        self.assertTrue(answer.startswith(b"HTTP/1.1 103 Early Hints\r\n"), answer)
        self.assertIn(b"hinted", answer)

    def test_events_come_as_they_are_sent(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.addCleanup(c.close)
        c.request("GET", "/events")
        r = c.getresponse()
        for i in range(4):  # each is read before the next is sent
            self.assertEqual(r.readline(), f"data: {i}\n".encode())
            self.assertEqual(r.readline(), b"\n")
            self.get(self.port, "/next")
        self.assertEqual(r.read(), b"")

    def test_clients_may_leave_all_at_once(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        port = self.weft_before(self.upstream)  # with as many descriptors
        clients = []
        for _ in range(min(800, most // 4)):
            s = socket.create_connection(("127.0.0.1", port), timeout=30)
            s.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
            clients.append(s)
        time.sleep(1)  # then they wait under contexts, which end together
        for s in clients:
            s.close()
        r, back = self.get(port, "/echo", "POST", b"alive")
        self.assertEqual((r.status, back), (200, b"alive"))

    def test_a_half_sent_answer_is_seen_as_broken(self):
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            self.get(self.port, "/destroy")

    def web_socket(self, port):
        key = base64.b64encode(os.urandom(16))
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.sendall(b"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                      b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      b"Sec-WebSocket-Key: " + key + b"\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(1)
            accept = base64.b64encode(hashlib.sha1(
                key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.assertIn(b" 101 ", head)
            self.assertIn(b"sec-websocket-accept: " + accept.lower(), head.lower())
            for size in (1, 100, 60000):
                frame = os.urandom(size)
                s.sendall(frame)
                back = b""
                while len(back) < size:
                    back += s.recv(65536)
                self.assertEqual(back, frame)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(s.recv(10), b"")

    def test_a_web_socket_is_a_tunnel(self):
        self.web_socket(self.port)

    def test_all_of_it_works_behind_haproxy(self):
        self.need("haproxy")
        port = free_port()
        conf = self.file("haproxy.cfg", f"""defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
  option forwardfor
frontend front
  bind 127.0.0.1:{port}
  default_backend weft
backend weft
  server weft 127.0.0.1:{self.port}
""")
        Running(self, ["haproxy", "-f", conf], port)
        body = os.urandom(300000)
        for _ in range(3):
            r, back = self.get(port, "/echo", "POST", body)
            self.assertEqual((r.status, back), (200, body))
        self.web_socket(port)
        with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
            self.get(port, "/destroy")


if __name__ == "__main__":
    if not PROXY:
        sys.exit("WEFT_PROXY names no program")
    unittest.main(verbosity=2)
