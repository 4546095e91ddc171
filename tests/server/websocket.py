"""websocket.py: a WebSocket's client (RFC 6455) of a few lines, for tests."""
import base64
import os
import socket
import struct
import urllib.parse

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The server has closed; `code` is why, None without one."""

    def __init__(self, code=None):
        super().__init__(f"closed: {code}")
        self.code = code


class WebSocket:
    def __init__(self, url, headers=(), patience=30):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=patience)
        target = parts.path + ("?" + parts.query if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade",
                 "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode(), *headers]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self.read(1)
        if b" 101 " not in self.head.split(b"\r\n")[0]:
            self.socket.close()
            raise OSError(self.head.decode())

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise Closed()
            data += piece
        return data

    def send(self, data, opcode=None):
        if opcode is None:
            opcode = TEXT if isinstance(data, str) else BINARY
        data = data.encode() if isinstance(data, str) else data
        size = len(data)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += struct.pack("!BH", 0x80 | 126, size)
        else:
            head += struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        key = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
        self.socket.sendall(head + mask + masked.to_bytes(size, "big"))

    def frame(self):
        """The next frame: whether it is the message's last, its opcode, its payload."""
        first, size = self.read(2)
        if size == 126:
            size = struct.unpack("!H", self.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.read(8))[0]
        return bool(first & 0x80), first & 15, self.read(size)

    def recv(self):
        """The next message, str or bytes; pings are answered meanwhile."""
        whole, kind, is_last = b"", None, False
        while not is_last:
            is_last, opcode, data = self.frame()
            if opcode == CLOSE:
                self.send(data[:2], CLOSE)
                raise Closed(struct.unpack("!H", data[:2])[0] if data else None)
            if opcode == PING:
                self.send(data, PONG)
            if opcode >= CLOSE:
                is_last = False
                continue
            kind = opcode or kind
            whole += data
        return whole.decode() if kind == TEXT else whole

    def close(self, code=1000):
        """Closes, and returns the code that comes back."""
        self.send(struct.pack("!H", code), CLOSE)
        try:
            while True:
                self.recv()
        except Closed as closed:
            return closed.code
        finally:
            self.socket.close()
