"""Reverse proxies beside each other: weft, nginx and haproxy, each with one thread and kept
connections to the same upstream. What counts is the proxy's own CPU time a request."""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build", "release")
SIZES = {"13": "Hello, World!", "1k": "x" * 1024, "100k": "x" * 102400}


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def upstream_command(port, folder):
    """nginx with two small files in memory and a large one on disk."""
    for name, body in SIZES.items():
        write(folder, name, body)
    conf = write(folder, "nginx.conf", f"""daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; sendfile on;
  open_file_cache max=100; default_type text/plain;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }} }}
""")
    return ["nginx", "-p", folder, "-c", conf]


def weft_command(port, upstream, _):
    return [os.path.join(BUILD, "bench", "proxy"), f"127.0.0.1:{port}",
            f"http://127.0.0.1:{upstream}"]


def nginx_command(port, upstream, folder):
    conf = write(folder, "nginx.conf", f"""daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; }} }} }}
""")
    return ["nginx", "-p", folder, "-c", conf]


def haproxy_command(port, upstream, folder):
    conf = write(folder, "haproxy.cfg", f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:{port}
  default_backend up
backend up
  server one 127.0.0.1:{upstream} pool-max-conn 512
""")
    return ["haproxy", "-f", conf]


PROXIES = {"weft": weft_command, "nginx": nginx_command, "haproxy": haproxy_command}


class Process:
    def __init__(self, command, port, cpu, folder):
        self.port, self.folder = port, folder
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL,
                                        env={**os.environ, "WEFT_MAXPROCS": "1"},
                                        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        for _ in range(200):
            try:
                self.check()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise SystemExit(f"{command[0]} does not answer")

    def check(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(b"GET /13 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := s.recv(4096):
                answer += part
            if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"Hello, World!")):
                raise SystemExit(f"answers wrongly: {answer[:300]!r}")

    def cpu_seconds(self):
        tasks = f"/proc/{self.process.pid}/task"
        return sum(int(open(f"{tasks}/{t}/schedstat", encoding="ascii").read().split()[0])
                   for t in os.listdir(tasks)) / 1e9

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def measure(tools, proxy, connections, seconds, path):
    before = proxy.cpu_seconds()
    got = tools.wrk(proxy.port, connections, seconds, path="/" + path)
    got["cpu_us"] = (proxy.cpu_seconds() - before) / got["requests"] * 1e6
    return got


def table(tools, results, names):
    print(f"{'':8}{'requests/s':>12}{'CPU us/request':>28}{'requests/CPU s':>16}{'p50 us':>9}"
          f"{'p99 us':>9}{'CPU of weft':>26}")
    for name in names:
        rows = results[name]
        ratio = [r["cpu_us"] / w["cpu_us"] for r, w in zip(rows, results["weft"])]
        cpu = [r["cpu_us"] for r in rows]
        print(f"{name:8}{statistics.median(r['rate'] for r in rows):12.0f}"
              f"{tools.spread(cpu, 2):>28}{1e6 / statistics.median(cpu):16.0f}"
              f"{statistics.median(r['p50'] for r in rows):9.0f}"
              f"{statistics.median(r['p99'] for r in rows):9.0f}{tools.spread(ratio):>26}")


def bench(quick, tools):
    if not shutil.which("nginx"):
        raise SystemExit("the upstream is nginx, which is not here: Debian's package nginx-light")
    names = [n for n in PROXIES if n == "weft" or shutil.which(n)]
    for name in set(PROXIES) - set(names):
        print(f"{name} is left out; Debian's package of that name has it", file=sys.stderr)
    rounds, seconds = (2, 1) if quick else (7, 2)
    folder = tempfile.TemporaryDirectory()
    os.chmod(folder.name, 0o755)
    port = tools.free_port()
    upstream = Process(upstream_command(port, folder.name), port, tools.CLIENT_CPU, folder)
    try:
        for title, connections, path in (("13 bytes, 64 connections", 64, "13"),
                                         ("1 KB, 64 connections", 64, "1k"),
                                         ("100 KB, 32 connections", 32, "100k")):
            proxies = {}
            results = {name: [] for name in names}
            try:
                for name in names:
                    folder, port = tempfile.TemporaryDirectory(), tools.free_port()
                    command = PROXIES[name](port, upstream.port, folder.name)
                    proxies[name] = Process(command, port, tools.SERVER_CPU, folder)
                    tools.wrk(port, connections, 1, path="/" + path)  # warm-up, dropped
                for _ in range(rounds):
                    for name in names:
                        results[name].append(measure(tools, proxies[name], connections, seconds,
                                                     path))
            finally:
                for proxy in proxies.values():
                    proxy.stop()
            print(f"\n{title}, medians of {rounds} rounds (least to greatest)")
            table(tools, results, names)
    finally:
        upstream.stop()
