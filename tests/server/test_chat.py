#!/usr/bin/env python3
"""The demo site's WebSockets, by a client of a few lines; tests/browser has them in a browser."""
import json
import threading
import unittest

from test_cli import Server
from websocket import Closed, WebSocket


class Sockets(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.open = []

    def tearDown(self):
        for socket in self.open:
            socket.socket.close()
        status, err = self.server.stop()
        self.assertEqual((status, err), (0, ""))

    def connect(self, path, *headers):
        self.open.append(WebSocket(f"ws://127.0.0.1:{self.server.port}{path}", headers))
        return self.open[-1]

    def member(self, name):
        """Comes in, and hears that itself has: from then on it hears everything."""
        socket = self.connect("/chat?name=" + name)
        self.until(socket, "joined", name)
        return socket

    def until(self, socket, kind, name):
        while True:
            line = json.loads(socket.recv())
            if (line["type"], line["name"]) == (kind, name):
                return line

    def test_the_echo_gives_back_what_comes(self):
        socket = self.connect("/ws/echo")
        for message in ("", "text ✓", b"\0\xff", "x" * 70000, bytes(1 << 20)):
            socket.send(message)
            self.assertEqual(socket.recv(), message)
        self.assertEqual(socket.close(4321), 4321)

    def test_the_room_is_a_page_for_who_asks_without_upgrade(self):
        status, headers, body = self.server.get("/chat")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(b"<title>Chat", body)
        self.assertEqual(self.server.get("/ws/echo")[0], 426)
        with self.assertRaisesRegex(OSError, " 400 "):
            self.connect("/chat?name=" + "x" * 33)
        with self.assertRaisesRegex(OSError, " 403 "):
            self.connect("/chat?name=x", "Origin: http://elsewhere.example")

    def test_members_hear_each_other_and_what_was_said_before(self):
        ann = self.member("ann")
        ben = self.member("ben")
        self.assertEqual(self.until(ann, "joined", "ben")["here"], 2)
        ann.send('"quoted" \\ \u2028 ✓')
        for socket in (ann, ben):
            self.assertEqual(self.until(socket, "said", "ann")["text"], '"quoted" \\ \u2028 ✓')
        late = self.connect("/chat?name=late")
        self.assertEqual(json.loads(late.recv())["type"], "said")
        self.assertEqual(ben.close(), 1000)
        self.assertEqual(self.until(ann, "left", "ben")["here"], 2)

    def test_what_does_not_belong_there_ends_it(self):
        for message, code in ((b"bytes", 1003), ("x" * 2001, 1009)):
            socket = self.member("x")
            socket.send(message)
            with self.assertRaises(Closed) as closed:
                while True:
                    socket.recv()
            self.assertEqual(closed.exception.code, code)

    def test_many_members_hear_all_in_one_order(self):
        members, each = 12, 5
        sockets = [self.member(f"m{i}") for i in range(members)]
        heard = [[] for _ in sockets]

        def take_part(i):
            for k in range(each):
                sockets[i].send(f"m{i} {k}")
            while len(heard[i]) < members * each:
                line = json.loads(sockets[i].recv())
                if line["type"] == "said":
                    heard[i].append(line["text"])

        threads = [threading.Thread(target=take_part, args=[i]) for i in range(members)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for lines in heard:
            self.assertEqual(lines, heard[0])
        self.assertEqual(sorted(heard[0]),
                         sorted(f"m{i} {k}" for i in range(members) for k in range(each)))

    def test_a_member_who_does_not_read_is_put_out_and_holds_nobody_up(self):
        slow, lively = self.member("slow"), self.member("lively")
        talkers = [self.member(f"t{i}") for i in range(8)]
        out = threading.Event()

        def listen():
            if self.until(lively, "left", "slow"):
                out.set()

        def talk(socket):
            while not out.is_set():
                socket.send("\x01" * 2000) # six times as long in JSON
                socket.recv()

        slow.socket.setsockopt(1, 8, 4096) # SOL_SOCKET, SO_RCVBUF
        threads = [threading.Thread(target=listen)]
        threads += [threading.Thread(target=talk, args=[s]) for s in talkers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        self.assertTrue(out.is_set())

    def test_a_server_that_drains_says_that_it_goes(self):
        socket = self.member("x")
        self.server.process.terminate()
        with self.assertRaises(Closed) as closed:
            while True:
                socket.recv()
        self.assertEqual(closed.exception.code, 1001)
        socket.socket.close()
        self.server.process.wait(30)


if __name__ == "__main__":
    unittest.main()
