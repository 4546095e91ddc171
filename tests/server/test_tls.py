#!/usr/bin/env python3
"""HTTPS as its users meet it: curl, openssl, Python's ssl, and peers that break the protocol."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings

WEFT = os.environ["WEFT_BIN"]
PATIENCE = 30
HAS_OPENSSL = shutil.which("openssl") is not None
WORK = tempfile.TemporaryDirectory(prefix="weft-tls-")


def path(name):
    return os.path.join(WORK.name, name)


def command(*args, stdin=None, env=None):
    return subprocess.run(args, input=stdin, capture_output=True, text=True, timeout=PATIENCE,
                          check=False, env={**os.environ, **(env or {})})


def weft_cert(prefix, *names):
    done = command(WEFT, "cert", "--out", path(prefix), *names)
    assert done.returncode == 0, done.stderr
    return path(prefix + "-cert.pem"), path(prefix + "-key.pem")


def openssl_cert(prefix, *args, names="DNS:rsa.test", kind="rsa:2048", days="30", signer=()):
    cert, key = path(prefix + "-cert.pem"), path(prefix + "-key.pem")
    newkey = ["-newkey", kind] if kind.startswith("rsa") else \
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:" + kind]
    done = command("openssl", "req", "-x509", *newkey, "-nodes", "-days", days, "-keyout", key,
                   "-out", cert, "-subj", "/CN=" + prefix, "-addext", "subjectAltName=" + names,
                   *args)
    assert done.returncode == 0, done.stderr
    return cert, key


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running `weft serve` with TLS."""

    def __init__(self, pairs, *args):
        self.port = free_port()
        options = [x for cert, key in pairs for x in ("--tls-cert", cert, "--tls-key", key)]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [WEFT, "serve", "--listen", f"127.0.0.1:{self.port}", *options, *args], text=True,
            stdout=subprocess.PIPE, stderr=self.errors)
        banner = ""
        while "try:" not in banner:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(self.stderr())
            banner += line

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read()

    def wait_for_stderr(self, text):
        until = time.monotonic() + PATIENCE
        while text not in self.stderr():
            if time.monotonic() > until:
                raise AssertionError(f"{text!r} is not in {self.stderr()!r}")
            time.sleep(0.02)

    def tcp(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def connect(self, context=None, name="localhost", session=None):
        context = context or anybody()
        return context.wrap_socket(self.tcp(), server_hostname=name, session=session)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.said = self.stderr()
        self.errors.close()
        return status


def anybody(**versions):
    """A client that believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in versions.items():
        setattr(context, name, value)
    return context


def only(version):
    return anybody(minimum_version=version, maximum_version=version)


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def ask(conn, target="/plaintext", headers="", close=False, body=b"", method="GET"):
    """A request; gives the answer's head and body, read by its length."""
    if body:
        headers += f"Content-Length: {len(body)}\r\n"
    if close:
        headers += "Connection: close\r\n"
    conn.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body)
    return read_answer(conn)


def read_answer(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            raise EOFError(data)
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    while len(body) < length:
        part = conn.recv(65536)
        if not part:
            raise EOFError(head)
        body += part
    return head.decode(), body


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pair = weft_cert("main", "example.test", "*.wild.test")
        os.makedirs(path("www"), exist_ok=True)
        cls.big = os.urandom(3_000_000)
        with open(path("www/big"), "wb") as f:
            f.write(cls.big)
        cls.server = Server([cls.pair], "--root", path("www"), "--hsts", "max-age=77")

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        assert status == 0, status
        assert cls.server.said == "", cls.server.said

    def test_both_versions_serve_many_requests_on_a_connection(self):
        for version in VERSIONS:
            with self.server.connect(only(version)) as conn:
                for _ in range(20):
                    head, body = ask(conn)
                    self.assertEqual(body, b"Hello, World!")
                    self.assertIn("Strict-Transport-Security: max-age=77", head)

    def test_older_versions_are_refused(self):
        warnings.simplefilter("ignore", DeprecationWarning)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = only(version)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.server.connect(context)

    def test_only_forward_secret_aead_ciphers(self):
        for cipher in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256",
                       "DHE-RSA-AES128-GCM-SHA256"):
            context = only(ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.server.connect(context)

    def test_the_cheapest_cipher_is_taken_whatever_the_clients_order(self):
        with self.server.connect() as conn:  # OpenSSL names AES-256 first
            self.assertEqual(conn.cipher()[0], "TLS_CHACHA20_POLY1305_SHA256")
        with self.server.connect(only(ssl.TLSVersion.TLSv1_2)) as conn:
            self.assertEqual(conn.cipher()[0], "ECDHE-ECDSA-CHACHA20-POLY1305")

    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_every_cipher_works(self):
        for cipher in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                       "TLS_CHACHA20_POLY1305_SHA256"):
            done = command("openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}",
                           "-tls1_3", "-ciphersuites", cipher, "-quiet", "-ign_eof",
                           stdin="GET /plaintext HTTP/1.0\r\nHost: x\r\n\r\n")
            self.assertIn("Hello, World!", done.stdout, cipher)

    def test_a_client_that_verifies_is_content(self):
        context = ssl.create_default_context(cafile=self.pair[0])
        for name in ("localhost", "example.test", "a.wild.test"):
            with self.server.connect(context, name) as conn:
                self.assertEqual(ask(conn)[1], b"Hello, World!")

    def test_alpn_agrees_on_http_1_1_or_refuses(self):
        context = anybody()
        context.set_alpn_protocols(["h3", "http/1.1"])
        with self.server.connect(context) as conn:
            self.assertEqual(conn.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h3"])
        with self.assertRaises(ssl.SSLError):
            self.server.connect(context)

    def test_sessions_are_resumed(self):
        for version in VERSIONS:
            context = only(version)
            with self.server.connect(context) as conn:
                ask(conn)  # TLS 1.3's tickets come behind the handshake
                session = conn.session
                self.assertFalse(conn.session_reused)
            with self.server.connect(context, session=session) as conn:
                self.assertTrue(conn.session_reused, version)
                self.assertEqual(ask(conn)[1], b"Hello, World!")

    def test_large_answers_and_requests_arrive_whole(self):
        upload = self.big[:900_000]
        for version in VERSIONS:
            with self.server.connect(only(version)) as conn:
                self.assertEqual(ask(conn, "/static/big")[1], self.big)
            client = http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=PATIENCE,
                                                 context=only(version))
            client.request("POST", "/echo", upload)
            echo = json.loads(client.getresponse().read())
            self.assertEqual(base64.b64decode(echo["body"]), upload)
            client.close()

    def test_a_slow_reader_gets_everything(self):
        with self.server.connect() as conn:
            conn.sendall(b"GET /static/big HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            for _ in range(3):
                data = b""
                while b"\r\n\r\n" not in data:
                    data += conn.recv(100)
                body = data.partition(b"\r\n\r\n")[2]
                while len(body) < len(self.big):
                    body += conn.recv(min(30000, len(self.big) - len(body)))
                self.assertEqual(body, self.big)

    def test_requests_in_one_record_and_one_request_in_many_records(self):
        with self.server.connect() as conn:
            conn.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
            data = b""
            while data.count(b"Hello, World!") < 10:
                data += conn.recv(65536)
            for byte in b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n":
                conn.sendall(bytes([byte]))
            self.assertEqual(read_answer(conn)[1], b"Hello, World!")

    def test_records_torn_apart_on_the_wire(self):
        """Each byte of the TLS stream comes alone: partial records wait in the session."""
        context = anybody()
        raw = self.server.tcp()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

        def pump(step):
            while True:
                try:
                    result = step()
                    done = True
                except ssl.SSLWantReadError:
                    result, done = None, False
                data = outgoing.read()
                for i in range(0, len(data), 7):
                    raw.sendall(data[i:i + 7])
                if done:
                    return result
                incoming.write(raw.recv(65536))

        pump(tls.do_handshake)
        for _ in range(3):
            pump(lambda: tls.write(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"))
            self.assertIn(b"Hello, World!", pump(lambda: tls.read(65536)))
        raw.close()

    def test_close_notify_ends_the_answer(self):
        conn = self.server.connect(anybody())
        ask(conn, close=True)
        self.assertEqual(conn.recv(100), b"")  # an end without close_notify would raise
        conn.close()

    def test_half_close_still_gets_the_answer(self):
        for version in VERSIONS:
            conn = self.server.connect(only(version))
            conn.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
            socket.socket.shutdown(conn, socket.SHUT_WR)
            self.assertEqual(read_answer(conn)[1], b"Hello, World!")
            conn.close()

    def test_plain_http_is_told_so(self):
        with self.server.tcp() as conn:
            conn.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"400 Bad Request", conn.recv(4096))

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        for version in ("1.2", "1.3"):
            done = command("curl", "-sS", "--max-time", "20", "--tlsv" + version, "--tls-max",
                           version, "--cacert", self.pair[0],
                           f"https://localhost:{self.server.port}/plaintext")
            self.assertEqual((done.stdout, done.stderr), ("Hello, World!", ""))

    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_renegotiation_is_refused(self):
        done = command("openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}",
                       "-tls1_2", stdin="R\nR\n")
        self.assertNotIn("Renegotiation-done", done.stdout)
        with self.server.connect() as conn:
            self.assertEqual(ask(conn)[1], b"Hello, World!")

    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_every_group_works(self):
        for group in ("P-256", "X25519", "P-384", "P-521"):
            done = command("openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}",
                           "-groups", group, "-quiet", "-ign_eof",
                           stdin="GET /plaintext HTTP/1.0\r\nHost: x\r\n\r\n")
            self.assertIn("Hello, World!", done.stdout, group)


class Hostile(unittest.TestCase):
    """Peers that break the protocol are cut, and the server serves on."""

    @classmethod
    def setUpClass(cls):
        cls.pair = weft_cert("hostile")
        cls.server = Server([cls.pair])

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        assert status == 0, (status, cls.server.said)

    def hello(self, version=None):
        """A real ClientHello as bytes."""
        outgoing = ssl.MemoryBIO()
        context = only(version) if version else anybody()
        tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def is_cut(self, data, ends=False):
        """Whether the server closes after these bytes."""
        with self.server.tcp() as conn:
            try:
                conn.sendall(data)
                if ends:
                    conn.shutdown(socket.SHUT_WR)
                while conn.recv(65536):
                    pass
            except TimeoutError:
                return False
            except OSError:
                pass
            return True

    def test_garbage_and_wrong_records(self):
        hello = self.hello()
        for data in (b"\x00" * 100, os.urandom(300), b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                     b"\x16\x03\x01\x00\x00", b"\x17\x03\x03\x00\x05hello",
                     b"\x15\x03\x03\x00\x02\x02\x28", b"\x14\x03\x03\x00\x01\x01",
                     b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", hello + hello,
                     hello + b"\x17\x03\x03\x40\x00" + os.urandom(16384)):
            self.assertTrue(self.is_cut(data, ends=True))
        with self.server.connect() as conn:
            self.assertEqual(ask(conn)[1], b"Hello, World!")

    def test_a_truncated_hello_then_the_end(self):
        hello = self.hello()
        for cut in (1, 4, 5, 6, 40, len(hello) - 1):
            self.assertTrue(self.is_cut(hello[:cut], ends=True))

    def test_a_hello_with_every_byte_wrong_once(self):
        """A small fuzz of the handshake: one byte changed, and a seeded scramble."""
        import random
        chance = random.Random(5)
        for version in VERSIONS:
            hello = self.hello(version)
            for at in range(5, len(hello), 5):
                data = bytearray(hello)
                data[at] ^= 1 << chance.randrange(8)
                with self.server.tcp() as conn:
                    conn.sendall(data)
                    conn.shutdown(socket.SHUT_WR)
                    try:
                        conn.recv(65536)
                    except ConnectionError:
                        pass
        self.assertIsNone(self.server.process.poll())

    def scrambled(self, version, change):
        """Talks TLS whose client records from number `change[0]` on are changed. Returns what the
        server answered to a request, or None when it was cut."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = only(version).wrap_bio(incoming, outgoing, server_hostname="localhost")
        sent = 0
        with self.server.tcp() as raw:
            steps = [tls.do_handshake,
                     lambda: tls.write(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n"),
                     lambda: tls.read(65536)]
            while steps:
                waits = False
                try:
                    result = steps[0]()
                    steps.pop(0)
                except ssl.SSLWantReadError:
                    waits = True
                except ssl.SSLError:
                    return None
                data = outgoing.read()
                out = []
                while data:
                    length = 5 + int.from_bytes(data[3:5], "big")
                    out.append(change(sent, data[:length]))
                    data = data[length:]
                    sent += 1
                try:
                    raw.sendall(b"".join(out))
                    if not steps:
                        return result
                    if waits:
                        part = raw.recv(65536)
                        if not part:
                            return None
                        incoming.write(part)
                except ConnectionError:
                    return None

    def test_corrupted_repeated_and_dropped_records_are_refused(self):
        def flip(number, record):
            return record[:-1] + bytes([record[-1] ^ 1]) if number == last else record

        def repeat(number, record):
            return record + record if number == last - 1 else record

        def swap_in_garbage(number, record):
            return record[:5] + os.urandom(len(record) - 5) if number == last else record

        def longer(number, record):
            return record[:3] + b"\x48\x00" + record[5:] if number == last else record

        def flip_at(at, place):
            def change(number, record):
                if number != at or len(record) <= 5 + place:
                    return record
                return record[:5 + place] + bytes([record[5 + place] ^ 0x40]) + record[6 + place:]
            return change

        def drop_at(at):
            return lambda number, record: b"" if number == at else record

        for version in VERSIONS:  # every record of the handshake, after the first
            seen = []
            self.scrambled(version, lambda n, r: seen.append(r[0]) or r)
            for at, kind in enumerate(seen):
                if at == 0 or kind == 20:
                    continue  # change_cipher_spec says nothing in TLS 1.3
                for place in (0, 1, 5, 20):
                    self.assertIsNone(self.scrambled(version, flip_at(at, place)), (version, at))
                if at < len(seen) - 1:  # without the last one the server would rightly wait
                    self.assertIsNone(self.scrambled(version, drop_at(at)), (version, at))
        for version in VERSIONS:
            seen = []
            self.assertIn(b"Hello", self.scrambled(version, lambda n, r: seen.append(n) or r))
            last = seen[-1]  # the request's record
            for change in (flip, repeat, swap_in_garbage, longer):
                answer = self.scrambled(version, change)
                self.assertIsNone(answer, (version, change.__name__))
        with self.server.connect() as conn:
            self.assertEqual(ask(conn)[1], b"Hello, World!")

    def test_many_unfinished_handshakes_do_not_stop_the_others(self):
        hello = self.hello()
        waiting = []
        for i in range(200):
            conn = self.server.tcp()
            conn.sendall(hello if i % 2 else hello[:50])
            waiting.append(conn)
        with self.server.connect() as conn:
            self.assertEqual(ask(conn)[1], b"Hello, World!")
        for conn in waiting:
            conn.close()


class Certificates(unittest.TestCase):
    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_names_choose_the_certificate(self):
        pairs = [openssl_cert("first", names="DNS:first.test"),
                 openssl_cert("wild", names="DNS:*.second.test,DNS:second.test"),
                 openssl_cert("exact", names="DNS:a.second.test", kind="P-256"),
                 openssl_cert("sibling", names="DNS:first.test", kind="P-256")]
        server = Server(pairs)
        rsa_only = only(ssl.TLSVersion.TLSv1_2)
        rsa_only.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")

        def subject(name, context=None):
            with server.connect(context or anybody(), name) as conn:
                der = conn.getpeercert(True)
            pem = ssl.DER_cert_to_PEM_cert(der)
            return command("openssl", "x509", "-noout", "-subject", stdin=pem).stdout.strip()

        try:
            self.assertIn("wild", subject("x.second.test"))
            self.assertIn("wild", subject("second.test"))
            self.assertIn("wild", subject("X.Second.Test"))
            self.assertIn("exact", subject("a.second.test"))
            self.assertIn("first", subject("first.test", rsa_only))
            self.assertIn("first", subject("a.b.second.test", rsa_only))
            self.assertIn("first", subject(None, rsa_only))
            ecdsa_only = only(ssl.TLSVersion.TLSv1_2)
            ecdsa_only.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
            self.assertIn("sibling", subject("first.test", ecdsa_only))
            self.assertIn("sibling", subject(None, ecdsa_only))
        finally:
            self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_client_certificates_are_verified(self):
        authority = openssl_cert("authority", names="DNS:authority")
        stranger = openssl_cert("stranger", names="DNS:stranger")
        cert, key, request = path("client.pem"), path("client.key"), path("client.csr")
        command("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", "/O=team/CN=alice")
        done = command("openssl", "x509", "-req", "-in", request, "-CA", authority[0], "-CAkey",
                       authority[1], "-CAcreateserial", "-days", "5", "-out", cert)
        self.assertEqual(done.returncode, 0, done.stderr)
        server = Server([weft_cert("mutual")], "--tls-client-ca", authority[0])
        try:
            for version in VERSIONS:
                context = only(version)
                context.load_cert_chain(cert, key)
                with server.connect(context) as conn:
                    self.assertEqual(ask(conn)[1], b"Hello, World!")
                for pair in (None, stranger):
                    context = only(version)
                    if pair:
                        context.load_cert_chain(*pair)
                    with self.assertRaises((ssl.SSLError, ConnectionError, EOFError)):
                        with server.connect(context) as conn:
                            ask(conn)
        finally:
            self.assertEqual(server.stop(), 0)

    def refused(self, expected, *args):
        done = command(WEFT, "serve", "--listen", f"127.0.0.1:{free_port()}", *args)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for text in expected:
            self.assertIn(text, done.stderr)

    def test_wrong_files_are_said_by_name(self):
        cert, key = weft_cert("good")
        other_cert, other_key = weft_cert("other")
        nothing = path("nothing.pem")
        with open(nothing, "w", encoding="ascii") as f:
            f.write("no PEM here\n")
        self.refused(["does not belong", other_key, cert], "--tls-cert", cert, "--tls-key",
                     other_key)
        self.refused(["/no/such.pem", "No such file"], "--tls-cert", "/no/such.pem", "--tls-key",
                     key)
        self.refused([nothing, "no PEM certificate"], "--tls-cert", nothing, "--tls-key", key)
        self.refused([nothing, "no PEM private key"], "--tls-cert", cert, "--tls-key", nothing)
        self.refused(["go together"], "--tls-cert", cert)
        self.refused(["--tls-cert"], "--hsts", "max-age=1")
        again = command(WEFT, "cert", "--out", path("good"))
        self.assertEqual(again.returncode, 2)
        self.assertIn("File exists", again.stderr)
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        self.assertTrue(os.path.exists(other_cert))

    @unittest.skipUnless(HAS_OPENSSL, "openssl is not installed")
    def test_expired_and_locked_files_are_said_by_name(self):
        cert, key, request = path("old.pem"), path("old.key"), path("old.csr")
        command("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", "/CN=old.test")
        folder = path("ca")
        os.makedirs(folder, exist_ok=True)
        for name, text in (("index.txt", ""), ("serial", "01\n"), ("ca.conf", f"""
[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nserial={folder}/serial
new_certs_dir={folder}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n""")):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(text)
        done = command("openssl", "ca", "-batch", "-selfsign", "-config", folder + "/ca.conf",
                       "-keyfile", key, "-in", request, "-out", cert, "-startdate",
                       "20200101000000Z", "-enddate", "20210101000000Z")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.refused([cert, "CN=old.test", "expired on 2021-01-01"], "--tls-cert", cert,
                     "--tls-key", key)
        good, good_key = weft_cert("locked")
        locked = path("locked.key")
        command("openssl", "pkcs8", "-topk8", "-in", good_key, "-out", locked, "-passout",
                "pass:x")
        self.refused([locked, "password"], "--tls-cert", good, "--tls-key", locked)

    def test_certificates_are_read_again_without_dropping_a_connection(self):
        cert, key = weft_cert("live")
        new_cert, new_key = weft_cert("new", "new.test")
        server = Server([(cert, key)])

        def served():
            with server.connect() as conn:
                return conn.getpeercert(True)

        def replace(source, target):
            shutil.copy(source, target + ".tmp")
            os.rename(target + ".tmp", target)

        try:
            first = served()
            old = server.connect()
            ask(old)
            replace(new_cert, cert)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_stderr("does not belong")  # the key is not there yet
            self.assertEqual(served(), first)
            replace(new_key, key)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_stderr("read again")
            second = served()
            self.assertNotEqual(second, first)
            self.assertEqual(ask(old)[1], b"Hello, World!")
            old.close()
            other_cert, other_key = weft_cert("watched")
            replace(other_key, key)
            replace(other_cert, cert)
            until = time.monotonic() + PATIENCE
            while served() == second and time.monotonic() < until:
                time.sleep(0.1)  # it looks every two seconds
            self.assertNotEqual(served(), second)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_plain_http_is_redirected(self):
        plain = free_port()
        server = Server([weft_cert("redirect")], "--tls-redirect", f"127.0.0.1:{plain}")
        try:
            with socket.create_connection(("127.0.0.1", plain), timeout=PATIENCE) as conn:
                conn.sendall(b"GET /a%20b?x=1 HTTP/1.1\r\nHost: site.test:80\r\n\r\n")
                head, _ = read_answer(conn)
            self.assertIn("308 Permanent Redirect", head)
            self.assertIn(f"Location: https://site.test:{server.port}/a%20b?x=1\r\n", head + "\r\n")
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=0, warnings="ignore")
