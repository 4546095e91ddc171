"""HTTPS: full and resumed handshakes, small requests on kept connections, 10 MB transfers, memory
of idle connections; weft (mbedtls), nginx (OpenSSL) and Go in the same run, each on one CPU, the
client on another. What counts is the server's CPU time: the client's speed does not colour it.

The last part holds weft against the pure work: mbedtls's own handshake over memory and its
record cipher (build/release/bench/tls_primitives), beside what the same server spends without
TLS."""
import os
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build", "release")
WEFT = os.path.join(BUILD, "server", "weft")
SERVER_CPU, CLIENT_CPU = 0, max(0, min(1, (os.cpu_count() or 1) - 1))
LARGE = 10 * 1000 * 1000
IDLE_CONNECTIONS = 3000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx_conf(folder, port, tls):
    listen = f"""listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {folder}/c-cert.pem;
ssl_certificate_key {folder}/c-key.pem; ssl_session_timeout 1h;""" if tls else \
        f"listen 127.0.0.1:{port} backlog=4096;"
    path = os.path.join(folder, f"nginx-{port}.conf")
    with open(path, "w", encoding="utf-8") as conf:
        conf.write(f"""daemon off; master_process off; worker_processes 1;
pid {folder}/nginx-{port}.pid; error_log stderr; worker_rlimit_nofile 65536;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; sendfile on;
  default_type text/plain; ssl_protocols TLSv1.2 TLSv1.3;
  server {{ {listen}
    location /plaintext {{ return 200 'Hello, World!'; }}
    location /static/ {{ alias {folder}/www/; }} }} }}
""")
    return path


def command(name, folder, port):
    cert, key = folder + "/c-cert.pem", folder + "/c-key.pem"
    if name == "nginx":
        return ["nginx", "-p", folder, "-c", nginx_conf(folder, port, True)]
    if name == "go":
        return [folder + "/go-tls", f"127.0.0.1:{port}", cert, key, folder + "/www"]
    plain = [WEFT, "serve", "--threads", "1", "--listen", f"127.0.0.1:{port}", "--root",
             folder + "/www"]
    return plain if name == "plain" else plain + ["--tls-cert", cert, "--tls-key", key]


class Server:
    def __init__(self, name, folder):
        self.name, self.port, self.is_tls = name, free_port(), name != "plain"
        self.process = subprocess.Popen(command(name, folder, self.port),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "GOMAXPROCS": "1"},
                                        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
        self.url = f"http{'s' if self.is_tls else ''}://127.0.0.1:{self.port}"
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise SystemExit(f"{name} does not answer")

    def cpu_seconds(self):
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


def on_client_cpu():
    os.sched_setaffinity(0, {CLIENT_CPU})


def s_time(server, seconds, version, resumes, workers=3):
    """Handshakes by several `openssl s_time`, one after the other in each. Gives their number."""
    args = ["openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-time", str(seconds),
            "-" + version, "-reuse" if resumes else "-new"]
    if resumes:
        args += ["-www", "/plaintext"]  # TLS 1.3's tickets come behind the handshake
    running = [subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                preexec_fn=on_client_cpu) for _ in range(workers)]
    count = 0
    for process in running:
        text = process.communicate(timeout=seconds * 4 + 30)[0]
        found = re.search(r"(\d+) connections in \d+ real seconds", text)
        if not found:
            raise SystemExit(f"openssl s_time failed on {server.name}: {text[-300:]}")
        count += int(found[1])
    return count


def wrk(server, target, connections, seconds):
    text = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", server.url + target],
                          capture_output=True, text=True, check=True,
                          preexec_fn=on_client_cpu).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"wrk saw errors on {server.name}:\n{text}")
    return int(re.search(r"(\d+) requests in", text)[1])


LOADS = {
    "full handshake, TLS 1.3": lambda s, t: s_time(s, t, "tls1_3", False),
    "full handshake, TLS 1.2": lambda s, t: s_time(s, t, "tls1_2", False),
    "resumed and a request, TLS 1.3": lambda s, t: s_time(s, t, "tls1_3", True),
    "resumed and a request, TLS 1.2": lambda s, t: s_time(s, t, "tls1_2", True),
    "small request, kept": lambda s, t: wrk(s, "/plaintext", 64, t),
    "10 MB": lambda s, t: wrk(s, "/static/large", 4, t),
}


def measure(server, load, seconds):
    """Events a second, and CPU microseconds an event."""
    before, began = server.cpu_seconds(), time.monotonic()
    count = load(server, seconds)
    took = time.monotonic() - began
    return count / took, (server.cpu_seconds() - before) / max(count, 1) * 1e6


def primitives(folder, runs):
    """Microseconds by name, medians: other work on the machine shows in single runs."""
    values = {}
    for _ in range(runs):
        text = subprocess.run([os.path.join(BUILD, "bench", "tls_primitives"),
                               folder + "/c-cert.pem", folder + "/c-key.pem"],
                              capture_output=True, text=True, check=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU})).stdout
        for name, ns in (line.split("\t") for line in text.splitlines()):
            values.setdefault(name, []).append(float(ns) / 1000)
    return {name: statistics.median(all_us) for name, all_us in values.items()}


def cipher_of(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port))) as s:
        return s.cipher()[0]


def idle_bytes(server, count, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version

    def connect():
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        s.sendall(b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(4096)
        return s

    held = [connect() for _ in range(50)]
    before = server.resident()
    held += [connect() for _ in range(count)]
    grown = server.resident() - before
    for s in held:
        s.close()
    return grown / count


def prepare(folder, peers):
    os.makedirs(folder + "/www")
    with open(folder + "/www/large", "wb") as f:
        f.write(os.urandom(LARGE))
    subprocess.run([WEFT, "cert", "--out", folder + "/c"], check=True, stdout=subprocess.DEVNULL)
    if "nginx" in peers and not shutil.which("nginx"):
        print("nginx is left out; Debian's package nginx-light has it", file=sys.stderr)
        peers.remove("nginx")
    if "go" in peers:
        if shutil.which("go"):
            subprocess.run(["go", "build", "-o", folder + "/go-tls", "."], check=True,
                           cwd=os.path.join(HERE, "peers", "go", "tls"),
                           env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"})
        else:
            print("Go is left out; Debian's package golang-go has it", file=sys.stderr)
            peers.remove("go")
    return peers


def compare(folder, peers, rounds, seconds):
    """All loads on all servers. Gives {load: {server: median CPU microseconds}}."""
    cost = {}
    for title, load in LOADS.items():
        names = peers + (["plain"] if title in ("10 MB", "small request, kept") else [])
        servers = [Server(name, folder) for name in names]
        results = {name: [] for name in names}
        try:
            for _ in range(rounds):
                for server in servers:
                    results[server.name].append(measure(server, load, seconds))
        finally:
            for server in servers:
                server.stop()
        print(f"\n{title}, medians of {rounds} rounds (least to greatest)")
        print(f"{'':8}{'a second':>12}{'CPU us each':>32}{'CPU, weft = 1':>16}")
        cost[title] = {n: statistics.median(us for _, us in rows) for n, rows in results.items()}
        for name, rows in results.items():
            us = [u for _, u in rows]
            print(f"{name:8}{statistics.median(r for r, _ in rows):12.0f}"
                  f"{statistics.median(us):14.1f} ({min(us):.1f} to {max(us):.1f})".ljust(52) +
                  f"{cost[title][name] / cost[title]['weft']:16.3f}")
    return cost


def hold_against_primitives(cost, pure, cipher):
    records = LARGE / 16384
    name = "chacha20" if "CHACHA" in cipher else "aes256gcm" if "256" in cipher else "aes128gcm"
    sealed = pure[f"seal_{name}_16k"] * records
    plain = cost["10 MB"]["plain"]
    print(f"\nweft against the pure work, CPU us ({cipher})")
    rows = [("full handshake, TLS 1.3 (X25519)", cost["full handshake, TLS 1.3"]["weft"],
             pure["handshake_1.3_x25519"]),
            ("full handshake, TLS 1.2 (P-256)", cost["full handshake, TLS 1.2"]["weft"],
             pure["handshake_1.2_p256"]),
            ("10 MB, beyond the same without TLS", cost["10 MB"]["weft"] - plain, sealed)]
    for title, spent, alone in rows:
        print(f"  {title:38}{spent:12.1f}{alone:12.1f}   ratio {spent / alone:.3f}")
    for title in sorted(pure):
        print(f"    {title:36}{pure[title]:12.1f}")


def bench(quick):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))
    rounds, seconds = (1, 1) if quick else (5, 2)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        peers = prepare(folder, ["weft", "nginx", "go"])
        cost = compare(folder, peers, rounds, seconds)
        pure = primitives(folder, 1 if quick else 7)
        print("\nresident bytes of an idle kept connection, TLS 1.3 and 1.2")
        for name in peers:
            server = Server(name, folder)
            try:
                cipher = cipher_of(server)
                if name == "weft":
                    weft_cipher = cipher
                counts = 200 if quick else IDLE_CONNECTIONS
                new = idle_bytes(server, counts, ssl.TLSVersion.TLSv1_3)
            finally:
                server.stop()
            server = Server(name, folder)
            try:
                old = idle_bytes(server, counts, ssl.TLSVersion.TLSv1_2)
            finally:
                server.stop()
            print(f"{name:8}{new:10.0f}{old:10.0f}   ({cipher})")
        hold_against_primitives(cost, pure, weft_cipher)
