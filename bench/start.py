"""Time from exec to the first response: ./dev bench start. Twenty starts of each way to serve; a
client tries to connect until it is let in, then asks once. The median and the slowest are shown,
in milliseconds; the clock starts before the fork, so that fork and exec count too."""
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WEFT = os.path.join(os.path.dirname(HERE), "build", "release", "server", "weft")
STARTS = 20
PATIENCE = 10  # seconds
PAUSE = 0.0001  # seconds between two tries to connect
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connected(port, end):
    while True:
        s = socket.socket()
        try:
            s.connect(("127.0.0.1", port))
            s.settimeout(PATIENCE)
            return s
        except ConnectionRefusedError:
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE)


def start(command, port, tls):
    """Milliseconds from before the fork to the first byte of the answer."""
    begin = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        with connected(port, begin + PATIENCE) as plain:
            s = tls.wrap_socket(plain) if tls else plain
            s.sendall(REQUEST)
            first = s.recv(4096)
            took = (time.monotonic() - begin) * 1e3
            s.close()
        if not first.startswith(b"HTTP/1.1 200"):
            sys.exit(f"{' '.join(command)} answered {first[:40]!r}")
        return took
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


def ways(folder):
    """Name, command of a port, and whether it speaks TLS."""
    root = os.path.join(folder, "root")
    os.mkdir(root)
    with open(os.path.join(root, "index.html"), "w", encoding="utf-8") as file:
        file.write("hello\n")
    pair = os.path.join(folder, "pair")
    subprocess.run([WEFT, "cert", "--out", pair, "localhost"], check=True,
                   stdout=subprocess.DEVNULL)
    certs = [name for name in sorted(os.listdir(folder)) if name.startswith("pair")]
    key = next(os.path.join(folder, name) for name in certs if "key" in name)
    cert = next(os.path.join(folder, name) for name in certs if "key" not in name)
    conf = os.path.join(folder, "weft.yaml")
    routes = f"routes:\n  - {{ path: /, static: {root} }}\n"

    def configured(port, tls):
        listen = f'listen: [ "127.0.0.1:{port}" ]\n'
        if tls:
            listen = (f'tls:\n  listen: [ "127.0.0.1:{port}" ]\n'
                      f"  certificates: [ {{ cert: {cert}, key: {key} }} ]\n")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(listen + routes)
        return [WEFT, "serve", "-c", conf]

    address = "127.0.0.1:{}".format
    return [
        ("serve", lambda p: [WEFT, "serve", "--root", root, "--listen", address(p)], False),
        ("serve -c", lambda p: configured(p, False), False),
        ("serve -c, TLS", lambda p: configured(p, True), True),
    ]


def bench():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        for name, command, secure in ways(folder):
            took = []
            for _ in range(STARTS):
                port = free_port()
                took.append(start(command(port), port, tls if secure else None))
            print(f"{name:14} median {statistics.median(took):6.1f} ms, "
                  f"least {min(took):6.1f}, most {max(took):6.1f}")


if __name__ == "__main__":
    bench()
