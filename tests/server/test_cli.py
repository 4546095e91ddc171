#!/usr/bin/env python3
"""The standalone server as its user meets it: options, errors, the demo site, draining."""
import base64
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

WEFT = os.environ["WEFT_BIN"]
PATIENCE = 30


def run(*args):
    done = subprocess.run([WEFT, *args], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running `weft serve`; the address is its own."""

    def __init__(self, *args):
        self.port = free_port()
        listen = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen([WEFT, "serve", "--listen", listen, *args], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.banner = ""
        while "try:" not in self.banner:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(self.process.stderr.read())
            self.banner += line

    def get(self, path, data=None, headers=None, method=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data,
                                         headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err


class Options(unittest.TestCase):
    def refused(self, expected, *args):
        status, out, err = run(*args)
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(expected, err)

    def test_help_and_version(self):
        status, out, err = run("--help")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("--listen", out)
        self.assertEqual(run("serve", "--help")[1], out)
        status, out, _ = run("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^weft \d+\.\d+\.\d+\n$")

    def test_wrong_options(self):
        self.refused("did you mean '--listen'?", "serve", "--lsten", ":1")
        self.refused("unknown option '--frobnicate'", "serve", "--frobnicate")
        self.refused("unknown command 'srve'", "srve")
        self.refused("wants a value", "serve", "--root")
        self.refused("--threads wants a number from 1 to 256", "serve", "--threads", "0")
        self.refused("--threads wants a number", "serve", "--threads=many")
        self.refused("not an address", "serve", "--listen", "nonsense")
        self.refused("not an address", "serve", "--listen", "1.2.3.4:99999")
        self.refused("No such file", "serve", "--root", "/nonexistent-folder")
        self.refused("Not a directory", "serve", "--root", WEFT)

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            self.refused(f"cannot listen on 127.0.0.1:{port}: Address already in use", "serve",
                         "--listen", f"127.0.0.1:{port}")


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = os.path.join(cls.folder.name, "www")
        os.makedirs(os.path.join(root, "sub"))
        cls.data = os.urandom(300000)
        for name, data in (("index.html", b"<p>index"), ("a.txt", b"0123456789"), ("big", cls.data),
                           ("../secret", b"secret")):
            with open(os.path.join(root, name), "wb") as file:
                file.write(data)
            os.utime(os.path.join(root, name), (1.7e9, 1.7e9))  # a young file's tag is weak
        os.symlink("../secret", os.path.join(root, "leak"))
        cls.server = Server("--root", root)

    @classmethod
    def tearDownClass(cls):
        status, err = cls.server.stop()
        cls.folder.cleanup()
        assert status == 0, (status, err)

    def test_pages(self):
        get = self.server.get
        status, headers, body = get("/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(b"/plaintext", body)
        self.assertEqual(get("/plaintext")[2], b"Hello, World!")
        self.assertEqual(json.loads(get("/json")[2]), {"message": "Hello, World!"})
        self.assertEqual(get("/hello/J%C3%B6rg")[2].decode(), "Hello, Jörg!\n")
        self.assertEqual(get("/sleep/10")[2], b"slept 10 ms\n")
        for path in ("/sleep/60001", "/sleep/x", "/sleep/99999999999999999999", "/sleep/-1"):
            self.assertEqual(get(path)[0], 400, path)
        self.assertEqual(get("/nothing")[0], 404)
        self.assertEqual(get("/json", b"", method="PUT")[0], 405)

    def test_echo(self):
        said = json.loads(self.server.get("/echo?a=1", "grüße".encode(), {"X-A": "b"}, "PATCH")[2])
        self.assertEqual((said["method"], said["target"], said["path"], said["query"]),
                         ("PATCH", "/echo?a=1", "/echo", "a=1"))
        self.assertEqual((said["body"], said["body_encoding"]), ("grüße", "utf-8"))
        self.assertIn(["X-A", "b"], said["headers"])
        self.assertTrue(said["peer"].startswith("127.0.0.1:"))
        for size in (1, 2, 3, 70000):
            data = b"\xff" * size
            said = json.loads(self.server.get("/echo", data)[2])
            self.assertEqual(said["body_encoding"], "base64")
            self.assertEqual(base64.b64decode(said["body"]), data)

    def test_files(self):
        get = self.server.get
        self.assertEqual(get("/static/")[2], b"<p>index")
        self.assertEqual(get("/static/big")[2], self.data)
        status, headers, body = get("/static/a.txt")
        self.assertEqual((status, body), (200, b"0123456789"))
        tag = headers["ETag"]
        self.assertEqual(get("/static/a.txt", headers={"If-None-Match": tag})[0], 304)
        self.assertEqual(get("/static/a.txt", headers={"If-None-Match": "W/" + tag})[0], 304)
        self.assertEqual(get("/static/a.txt", headers={"If-Match": '"x"'})[0], 412)
        since = {"If-Modified-Since": headers["Last-Modified"]}
        self.assertEqual(get("/static/a.txt", headers=since)[0], 304)
        for wanted, status, body in (("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"),
                                     ("bytes=-2", 206, b"89"), ("bytes=5-99", 206, b"56789"),
                                     ("bytes=4-2", 200, b"0123456789"), ("lines=1-2", 200, None),
                                     ("bytes=10-", 416, None), ("bytes=-0", 416, None)):
            got = get("/static/a.txt", headers={"Range": wanted})
            self.assertEqual(got[0], status, wanted)
            if body is not None:
                self.assertEqual(got[2], body, wanted)

    def test_files_outside_stay_there(self):
        for path in ("/static/leak", "/static/../secret", "/static/%2e%2e/secret",
                     "/static/sub/..%2f..%2fsecret", "/static//etc/passwd"):
            status, _, body = self.server.get(path)
            self.assertEqual(status, 404, path)
            self.assertNotIn(b"secret", body)


class Draining(unittest.TestCase):
    def test_in_flight_is_answered_and_the_port_is_free(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            server = Server("--threads", "2")
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as busy, \
                    socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as idle:
                idle.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", idle.recv(4096))
                # The first answer proves that the second request, behind it, is being served.
                busy.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", busy.recv(4096))
                busy.sendall(b"GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
                threading.Timer(0.2, server.process.send_signal, [sig]).start()
                answer = b""
                while part := busy.recv(4096):
                    answer += part
                self.assertIn(b"slept 600 ms", answer)
                self.assertIn(b"Connection: close", answer)
                self.assertEqual(idle.recv(1), b"")
            self.assertEqual(server.process.wait(PATIENCE), 0)
            server.process.communicate()
            with socket.socket() as s:
                self.assertNotEqual(s.connect_ex(("127.0.0.1", server.port)), 0)

    def test_the_drain_is_bounded(self):
        server = Server("--drain-timeout", "1")
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as busy:
            busy.sendall(b"GET /sleep/60000 HTTP/1.1\r\nHost: x\r\n\r\n")
            threading.Timer(0.2, server.process.send_signal, [signal.SIGTERM]).start()
            self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertIn("still busy", server.process.communicate()[1])

    def test_unix_sockets(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "weft.sock")
            server = Server("--listen", f"unix:{path}")
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(path)
                s.sendall(b"GET /plaintext HTTP/1.0\r\n\r\n")
                self.assertIn(b"Hello, World!", s.makefile("rb").read())
            self.assertEqual(server.stop()[0], 0)
            self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
