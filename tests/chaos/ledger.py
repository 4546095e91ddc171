"""ledger.py: clients that account for every request that they send.

Each request carries a number used once, which its answer must carry back. A request ends in one of
four ways: answered right; refused, by a status that says so (502, 503, 504); broken, when the
connection ended or could not be made; or wrong: another's answer, bytes that belong to none, or
none in good time. Wrong must never be."""
import collections
import json
import random
import socket
import threading
import time

HANG = 30 # seconds without a byte are a hang: above every timeout of the site
REFUSALS = (502, 503, 504)


class Broken(Exception):
    """The connection ended before the answer did."""


class Wrong(Exception):
    """What no client may ever see."""


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=HANG)
        self.got = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        try:
            data = self.socket.recv(65536)
        except socket.timeout as error:
            raise Wrong(f"nothing came in {HANG} s, after {self.got[:60]!r}") from error
        if not data:
            raise Broken("closed")
        self.got += data

    def until(self, mark):
        while mark not in self.got:
            self.more()
        part, _, self.got = self.got.partition(mark)
        return part

    def exactly(self, count):
        while len(self.got) < count:
            self.more()
        part, self.got = self.got[:count], self.got[count:]
        return part

    def answer(self):
        """The next answer: its status, headers and body."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        if not head[0].startswith("HTTP/1.1 "):
            raise Wrong(f"not an answer: {head[0][:60]!r}")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                if self.exactly(2) != b"\r\n":
                    raise Wrong("a chunk without its end")
            self.until(b"\r\n")
        else:
            body = self.exactly(int(headers["content-length"]))
        return int(head[0][9:12]), headers, body


class Request:
    """One of the kinds that clients send; each is asked to come back by its number."""

    def __init__(self, draw, number):
        self.nonce = f"n{number:08d}{draw.getrandbits(32):08x}"
        self.path = draw.choice(["/echo", "/echo", "/proxied/echo"])
        self.body = b""
        self.framing = draw.choice(["none", "length", "chunked"])
        if self.framing != "none":
            self.body = (self.nonce * draw.choice([1, 10, 500])).encode()

    def bytes(self):
        method = "GET" if self.framing == "none" else "POST"
        head = (f"{method} {self.path}?nonce={self.nonce} HTTP/1.1\r\nHost: chaos\r\n"
                f"X-Nonce: {self.nonce}\r\n")
        if self.framing == "length":
            return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body
        if self.framing == "chunked":
            half = len(self.body) // 2
            return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"".join(
                b"%x\r\n%s\r\n" % (len(part), part)
                for part in (self.body[:half], self.body[half:])) + b"0\r\n\r\n"
        return f"{head}\r\n".encode()

    def check(self, answer):
        """Whether it was answered right, or else refused; raises Wrong for anything else."""
        status, headers, body = answer
        if status in REFUSALS:
            return False
        if status != 200:
            raise Wrong(f"{self.path} of {self.nonce}: status {status}: {body[:80]!r}")
        try:
            told = json.loads(body)
        except ValueError as error:
            raise Wrong(f"{self.nonce}: not JSON: {body[:80]!r}") from error
        carried = {name.lower(): value for name, value in told["headers"]}
        if (told["query"] != f"nonce={self.nonce}" or carried.get("x-nonce") != self.nonce
                or told["body"].encode() != self.body):
            raise Wrong(f"{self.nonce} was given {told['query']!r}, {headers}")
        return True


class Ledger:
    """Threads that send requests, in runs of one to four on a connection, until stopped. Broken and
    refused ones are kept with their times, so that they can be held against what was done."""

    def __init__(self, port, seed, clients):
        self.port = port
        self.counts = collections.Counter()
        self.failures = [] # (begun, ended, where, why)
        self.wrongs = []
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}/{i}"), i))
                        for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Ends the clients; a client that does not end hangs, which is wrong."""
        self.is_over.set()
        end = time.monotonic() + HANG + 10
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
            if thread.is_alive():
                self.wrongs.append("a client hangs")

    def note(self, kind, count=1, failure=None):
        with self.lock:
            self.counts[kind] += count
            if failure:
                self.failures.append(failure)

    def run(self, draw, client):
        connection, number, used = None, client * 10_000_000, 0
        while not self.is_over.is_set():
            run = [Request(draw, number + i) for i in range(draw.choice([1, 1, 1, 2, 4]))]
            number += len(run)
            begun, left = time.monotonic(), len(run)
            try:
                if not connection:
                    connection, used = Connection(self.port), 0
                connection.send(b"".join(request.bytes() for request in run))
                for request in run:
                    answer = connection.answer()
                    left -= 1
                    used += 1
                    if request.check(answer):
                        self.note("right")
                    else:
                        self.note("refused", 1, (begun, time.monotonic(), request.path,
                                                 f"status {answer[0]}"))
                    if answer[1].get("connection") == "close":
                        raise Broken("closed as announced")
                if draw.random() < 0.05:
                    connection.close()
                    connection = None
            except (Broken, OSError) as error:
                connection = self.give_up(connection)
                self.settle(run, left, used, begun, error)
                time.sleep(0.01)
            except (Wrong, ValueError, KeyError) as error:
                connection = self.give_up(connection)
                with self.lock:
                    self.wrongs.append(f"{type(error).__name__}: {error}")
                self.note("wrong")

    def settle(self, run, left, used, begun, error):
        """Books the rest of a run whose connection ended. That a kept connection was closed before
        the first byte of an answer is no failure: HTTP lets a server do so (RFC 9112 section 9.6),
        and the same after an answer that says `Connection: close`."""
        if left == 0:
            return
        if str(error) == "closed as announced" or (used > 0 and left == len(run)):
            self.note("sent again", left)
        else:
            self.note("broken", left, (begun, time.monotonic(), run[-left].path, repr(error)))

    @staticmethod
    def give_up(connection):
        if connection:
            connection.close()
