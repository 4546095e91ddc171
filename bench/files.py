"""Files beside nginx: ./dev bench files. A file of 1 KB and one of 10 MB, from weft's static
handler and from nginx with its open_file_cache, sendfile and tcp_nopush on (and once more without
sendfile, which is cheaper for small files). The server has one CPU, wrk another; systems take
turns, round by round, and ratios are taken within a round. System calls are counted by strace in a
run of their own."""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WEFT = os.path.join(os.path.dirname(HERE), "build", "release", "server", "weft")
SERVER_CPU, CLIENT_CPU = 0, max(0, min(1, (os.cpu_count() or 1) - 1))
SETTLED = 3600  # seconds: files of a site are older than their first request
SIZES = {"1k.html": 1024, "10m.bin": 10 << 20}


def nginx(port, folder, root, sendfile):
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(f"""daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log stderr; worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  types {{ text/html html; }} default_type application/octet-stream; charset utf-8;
  sendfile {sendfile}; tcp_nopush on; tcp_nodelay on;
  open_file_cache max=10000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;
  server {{ listen 127.0.0.1:{port} backlog=4096; location /static/ {{ alias {root}/; }} }} }}
""")
    return ["nginx", "-p", folder, "-c", path]


SYSTEMS = {
    "weft": lambda port, folder, root: [WEFT, "serve", "--threads", "1", "--root", root,
                                        "--listen", f"127.0.0.1:{port}"],
    "nginx": lambda port, folder, root: nginx(port, folder, root, "on"),
    "nginx-read": lambda port, folder, root: nginx(port, folder, root, "off"),
}


def fetch(port, name):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(f"GET /static/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := s.recv(1 << 20):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


class Server:
    def __init__(self, name, root):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.name, self.folder = name, tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(SYSTEMS[name](self.port, self.folder.name, root),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
        for _ in range(200):
            try:
                self.check(root)
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise SystemExit(f"{name} does not answer")

    def check(self, root):
        for name in SIZES:
            head, body = fetch(self.port, name)
            with open(os.path.join(root, name), "rb") as file:
                right = head.startswith(b"HTTP/1.1 200 ") and body == file.read()
            if not right or b"etag:" not in head.lower() or b"last-modified:" not in head.lower():
                raise SystemExit(f"{self.name} answers {name} wrongly: {head!r}")

    def cpu_seconds(self):
        """Of all its threads, those that have ended included: the kernel's clock of a process, by
        the number that clock_getcpuclockid(3) makes of its id."""
        return time.clock_gettime_ns(~self.process.pid << 3 | 2) / 1e9

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def wrk(port, name, connections, seconds):
    text = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                           f"http://127.0.0.1:{port}/static/{name}"], capture_output=True,
                          text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CPU})).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"wrk saw errors:\n{text}")
    return int(re.search(r"(\d+) requests in", text)[1])


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} " \
           f"({min(values):.{digits}f} to {max(values):.{digits}f})"


def measure(servers, name, connections, rounds, seconds):
    costs = {s.name: [] for s in servers}
    for server in servers:
        wrk(server.port, name, connections, 1)  # warm-up, dropped
    for number in range(rounds):
        print(f"\r{name}: round {number + 1} of {rounds}", end="", file=sys.stderr)
        for server in servers:
            before = server.cpu_seconds()
            count = wrk(server.port, name, connections, seconds)
            costs[server.name].append((server.cpu_seconds() - before) / count * 1e6)
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    print(f"\n{name}, {connections} connections, medians of {rounds} rounds (least to greatest)")
    print(f"{'':12}{'CPU us/request':>28}{'GB/CPU second':>16}{'CPU of nginx':>26}")
    for server in servers:
        cost = costs[server.name]
        ratio = [a / b for a, b in zip(cost, costs.get("nginx", cost))]
        rate = SIZES[name] / statistics.median(cost) / 1e3
        print(f"{server.name:12}{spread(cost, 3):>28}{rate:16.2f}{spread(ratio):>26}")


def count_calls(server, name, seconds):
    with tempfile.NamedTemporaryFile("r") as log:
        trace = subprocess.Popen(["strace", "-f", "-q", "-o", log.name, "-p",
                                  str(server.process.pid)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        count = wrk(server.port, name, 8, seconds)
        trace.terminate()
        trace.wait()
        calls = re.findall(r"^\d+\s+(\w+)\(", log.read(), re.M)
    kinds = {kind: calls.count(kind) / count for kind in set(calls)}
    shown = sorted(((n, kind) for kind, n in kinds.items() if n > 0.02), reverse=True)
    print(f"{server.name:12}{len(calls) / count:6.2f}: " +
          ", ".join(f"{kind} {n:.2f}" for n, kind in shown))


def bench(quick):
    names = [n for n in SYSTEMS if n == "weft" or shutil.which("nginx")]
    if len(names) == 1:
        print("nginx is left out; Debian's package nginx-light has it", file=sys.stderr)
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        for name, size in SIZES.items():
            path = os.path.join(root, name)
            with open(path, "wb") as file:
                file.write(os.urandom(size))
            os.utime(path, (time.time() - SETTLED,) * 2)
        servers = [Server(name, root) for name in names]
        try:
            rounds, seconds = (2, 1) if quick else (7, 2)
            measure(servers, "1k.html", 64, rounds, seconds)
            measure(servers, "10m.bin", 8, rounds, seconds)
            print("\n1k.html: system calls a request, 8 connections")
            for server in servers:
                count_calls(server, "1k.html", 1)
        finally:
            for server in servers:
                server.stop()
