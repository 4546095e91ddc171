#!/usr/bin/env python3
"""Measures weft beside the floor and beside other servers: ./dev bench [NAME].

The server has one CPU, wrk another. Systems take turns in rounds; the figures are medians over the
rounds with their least and greatest, and ratios are taken within a round. Everything goes over the
loopback and ends by itself."""
import argparse
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import files
import proxy
import rt
import start
import tls

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build", "release")
SERVER_CPU, CLIENT_CPU = 0, max(0, min(1, (os.cpu_count() or 1) - 1))
IDLE_CONNECTIONS = 9000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx_command(port, folder):
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(f"""daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log stderr; worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  default_type text/plain;
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location /plaintext {{ return 200 'Hello, World!'; }} }} }}
""")
    return ["nginx", "-p", folder, "-c", path]


SYSTEMS = {
    "floor": lambda port, folder: [os.path.join(BUILD, "bench", "floor"), str(port)],
    "weft": lambda port, folder: [os.path.join(BUILD, "server", "weft"), "serve", "--threads", "1",
                                  "--listen", f"127.0.0.1:{port}"],
    "nginx": nginx_command,
    "text": lambda port, folder: [os.path.join(BUILD, "bench", "handler"), str(port)],
    "json": lambda port, folder: [os.path.join(BUILD, "bench", "handler"), str(port)],
}
PATHS = {"text": "/text/Hello,World!", "json": "/json/World"}  # of the others: /plaintext
BODIES = {"text": b"Hello,World!", "json": b'{"message":"World"}'}  # of the others: Hello, World!


class Server:
    """A server on its own CPU, checked to answer right before it is measured."""

    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.path = PATHS.get(name, "/plaintext")
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(SYSTEMS[name](self.port, self.folder.name),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
        for _ in range(200):
            try:
                self.check()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise SystemExit(f"{name} does not answer")

    def check(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            body = BODIES.get(self.name, b"Hello, World!")
            answer = b""
            while not answer.endswith(body):
                part = s.recv(4096)
                if not part:
                    break
                answer += part
            if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(body)):
                raise SystemExit(f"{self.name} answers wrongly: {answer[:200]!r}")

    def cpu_seconds(self):
        """Time on CPU of all threads, in the scheduler's own nanoseconds."""
        tasks = f"/proc/{self.process.pid}/task"
        return sum(int(open(f"{tasks}/{t}/schedstat", encoding="ascii").read().split()[0])
                   for t in os.listdir(tasks)) / 1e9

    def resident(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as f:
            return int(re.search(r"Rss:\s+(\d+)", f.read())[1]) * 1024

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def wrk(port, connections, seconds, script=None, path="/plaintext"):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", os.path.join(HERE, "wrk", script)]
    text = subprocess.run(command + [f"http://127.0.0.1:{port}{path}"], capture_output=True,
                          text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CPU})).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"wrk saw errors:\n{text}")
    units = {"us": 1, "ms": 1e3, "s": 1e6}
    latency = {p: float(v) * units[u]
               for p, v, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", text, re.M)}
    return {"requests": int(re.search(r"(\d+) requests in", text)[1]),
            "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p50": latency["50"], "p99": latency["99"]}


def measure(server, connections, seconds, script):
    before = server.cpu_seconds()
    got = wrk(server.port, connections, seconds, script, server.path)
    got["cpu_us"] = (server.cpu_seconds() - before) / got["requests"] * 1e6
    return got


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} " \
           f"({min(values):.{digits}f} to {max(values):.{digits}f})"


def bench_floor(args):
    rounds, seconds = (2, 1) if args.quick else (7, 2)
    for title, connections, script in (("64 connections", 64, None),
                                       ("512 connections", 512, None),
                                       ("64 connections, pipelined 16 deep", 64, "pipeline.lua")):
        servers = [Server(name) for name in args.peers]
        results = {name: [] for name in args.peers}
        try:
            for server in servers:
                wrk(server.port, connections, 1, script)  # warm-up, dropped
            for number in range(rounds):
                print(f"\r{title}: round {number + 1} of {rounds}", end="", file=sys.stderr)
                for server in servers:
                    results[server.name].append(measure(server, connections, seconds, script))
        finally:
            for server in servers:
                server.stop()
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
        print(f"\n{title}, medians of {rounds} rounds (least to greatest)")
        print(f"{'':8}{'requests/s':>12}{'CPU us/request':>26}{'p50 us':>9}{'p99 us':>9}"
              f"{'CPU of the floor':>28}")
        for name in args.peers:
            rows = results[name]
            ratio = [r["cpu_us"] / f["cpu_us"] for r, f in zip(rows, results["floor"])]
            print(f"{name:8}{statistics.median(r['rate'] for r in rows):12.0f}"
                  f"{spread([r['cpu_us'] for r in rows], 3):>26}"
                  f"{statistics.median(r['p50'] for r in rows):9.0f}"
                  f"{statistics.median(r['p99'] for r in rows):9.0f}{spread(ratio):>28}")


def bench_idle(args):
    count = 500 if args.quick else IDLE_CONNECTIONS
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    count = min(count, most - 200)
    print(f"{count} idle keep-alive connections after one request each")
    for name in [p for p in args.peers if p != "floor"]:
        server = Server(name)
        sockets = []
        try:
            empty = server.resident()
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                s.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
                s.recv(4096)
                sockets.append(s)
            full = server.resident()
            print(f"{name:8}{(full - empty) / count:8.0f} bytes resident a connection"
                  f" (empty server: {empty // 1024} KB)")
        finally:
            for s in sockets:
                s.close()
            server.stop()


def bench_syscalls(args):
    seconds = 1 if args.quick else 3
    for connections in (1, 64):
        server = Server("weft")
        with tempfile.NamedTemporaryFile("r") as log:
            wrk(server.port, connections, 1)
            trace = subprocess.Popen(["strace", "-f", "-q", "-o", log.name, "-p",
                                      str(server.process.pid)], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            wrk(server.port, connections, seconds)
            trace.terminate()
            trace.wait()
            text = log.read()
        server.stop()
        # wrk opens and closes its connections inside of the trace: those reads are not steady.
        answers = len(re.findall(r"sendto\(", text))
        reads = len(re.findall(r"recvfrom\(", text))
        again = len(re.findall(r"recvfrom\(.*EAGAIN", text))
        waits = len(re.findall(r"epoll_p?wait2?\(", text))
        print(f"{connections} connections, {answers} answers: reads a request"
              f" {reads / answers:.3f}, of them in vain {again}, writes 1, waits"
              f" {waits / answers:.3f}")


def bench_handler(args):
    """An ordinary handler: a route among 233, one parameter, three headers set."""
    rounds, seconds = (2, 1) if args.quick else (7, 2)
    names, at_most = ("floor", "text", "json"), {"text": 1.15, "json": 1.2}
    servers = [Server(name) for name in names]
    results = {name: [] for name in names}
    try:
        for server in servers:
            wrk(server.port, 64, 1, None, server.path)  # warm-up, dropped
        for _ in range(rounds):
            for server in servers:
                results[server.name].append(measure(server, 64, seconds, None))
    finally:
        for server in servers:
            server.stop()
    print(f"64 connections, medians of {rounds} rounds (least to greatest)")
    print(f"{'':8}{'requests/s':>12}{'CPU us/request':>26}{'CPU of the floor':>28}{'at most':>9}")
    for name in names:
        rows = results[name]
        ratio = [r["cpu_us"] / f["cpu_us"] for r, f in zip(rows, results["floor"])]
        print(f"{name:8}{statistics.median(r['rate'] for r in rows):12.0f}"
              f"{spread([r['cpu_us'] for r in rows], 3):>26}{spread(ratio):>28}"
              f"{at_most.get(name, ''):>9}")


def bench_router(args):
    program = os.path.join(BUILD, "bench", "router_bench")
    values, instructions = {}, {}
    for _ in range(1 if args.quick else 5):
        for line in subprocess.run([program], capture_output=True, text=True,
                                   check=True).stdout.splitlines():
            name, ns = line.split("\t")
            values.setdefault(name, []).append(float(ns))
    if shutil.which("valgrind"):  # counts where the machine's own counters are not to be had
        for name in values:
            text = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                                   "--toggle-collect=router_find", program, name],
                                  capture_output=True, text=True, check=True)
            matches = int(text.stdout.split("\t")[1])
            collected = re.search(r"Collected : (\d+)", text.stderr)
            instructions[name] = f"{int(collected[1]) / matches:.0f}"
    else:
        print("instructions are left out; Debian's package valgrind counts them", file=sys.stderr)
    print(f"{'a match of':20}{'ns':>30}{'instructions':>14}")
    for name, all_ns in values.items():
        print(f"{name:20}{spread(all_ns, 1):>30}{instructions.get(name, '-'):>14}")


def bench_rt(args):
    rt.bench(args.quick, args.figures)


def bench_tls(args):
    tls.bench(args.quick)


def bench_proxy(args):
    proxy.bench(args.quick, sys.modules[__name__])


def bench_files(args):
    files.bench(args.quick)


def bench_start(_):
    start.bench()


SCENARIOS = {"floor": bench_floor, "handler": bench_handler, "router": bench_router,
             "idle": bench_idle, "syscalls": bench_syscalls, "rt": bench_rt, "tls": bench_tls,
             "proxy": bench_proxy, "files": bench_files, "start": bench_start}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="a smoke, not a measurement")
    parser.add_argument("--peers", default="floor,weft,nginx",
                        help="of floor and idle; what is not installed is left out")
    parser.add_argument("--figures", default="", metavar="NAME,...",
                        help="of rt: only these; build/release/bench/rt_bench names them")
    args = parser.parse_args()
    args.figures = [name for name in args.figures.split(",") if name]
    for name in args.names:
        if name not in SCENARIOS:
            parser.error(f"no scenario '{name}'; there are {', '.join(SCENARIOS)}")
    args.peers = args.peers.split(",")
    for name in args.peers:
        if name not in ("floor", "weft", "nginx"):
            parser.error(f"no peer '{name}'; there are floor, weft, nginx")
    if "nginx" in args.peers and not shutil.which("nginx"):
        print("nginx is left out; Debian's package nginx-light has it", file=sys.stderr)
        args.peers.remove("nginx")
    if "floor" not in args.peers:
        args.peers.insert(0, "floor")
    for name in args.names or SCENARIOS:
        SCENARIOS[name](args)


if __name__ == "__main__":
    main()
