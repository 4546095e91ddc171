#!/usr/bin/env python3
"""soak.py: the supervised server under load while things are done to it.

    soak.py WEFT [--seconds N] [--seed N] [--clients N] [--tsan]

A seeded schedule kills the worker, upgrades, reloads (bad files too), kills and freezes upstreams,
fills the disk of the logs, takes descriptors and CPUs away. The clients' ledger (ledger.py) must
hold nothing wrong; and each failure must overlap something that may fail requests."""
import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

options = argparse.ArgumentParser()
options.add_argument("weft")
options.add_argument("--seconds", type=float, default=60)
options.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
options.add_argument("--clients", type=int, default=8)
options.add_argument("--tsan", action="store_true",
                     help="it is built so: schedules are drawn, and a data race fails the run")
options = options.parse_args()
os.environ["WEFT_BIN"] = os.path.abspath(options.weft)
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server")]

from ledger import Ledger  # noqa: E402
from running import PATIENCE, WEFT, Supervised, free_port, until  # noqa: E402

SITE = """
listen: [ "127.0.0.1:PORT" ]
pid_file: weft.pid
threads: 2
log: { access: LOGS/access.log, error: stderr }
timeouts: { drain: 5s }
routes:
  - { path: /ping, respond: { body: "one" } }
  - { path: /echo, handler: echo }
  - path: /proxied
    proxy: [ "http://127.0.0.1:UP0", "http://127.0.0.1:UP1" ]
    upstream: { strip_prefix: on, connect_timeout: 2s, timeout: 10s }
"""
GRACE = 2.0 # seconds after a fault within which its requests' ends are seen by the clients


class Chaos:
    def __init__(self):
        self.draw = random.Random(options.seed)
        self.logs = tempfile.mkdtemp(prefix="weft-chaos-logs-")
        self.has_tmpfs = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.logs],
            stderr=subprocess.DEVNULL, check=False).returncode == 0
        self.ports = [free_port(), free_port()]
        self.upstreams = [self.upstream(i) for i in range(2)]
        text = SITE.replace("LOGS", self.logs)
        for i, port in enumerate(self.ports):
            text = text.replace(f"UP{i}", str(port))
        self.text = text
        drawn = {"WEFT_SCHED_SEED": str(options.seed or 1)} if options.tsan else {}
        self.server = Supervised(text, **drawn).start()
        self.excuses = [] # (begun, ended, prefix of the paths that may fail)
        self.done = []

    def upstream(self, i):
        return subprocess.Popen([WEFT, "serve", "--listen", f"127.0.0.1:{self.ports[i]}"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def excuse(self, begun, prefix):
        self.excuses.append((begun, time.monotonic() + GRACE, prefix))

    def until_another(self, before):
        until(lambda: any(pid not in before for pid in self.server.workers()), "a new worker")

    # ---- what is done; a fault that may fail requests says which ----

    def kill_the_worker(self):
        begun, before = time.monotonic(), self.server.workers()
        # The sanitizer keeps signals back for itself.
        how = signal.SIGKILL if options.tsan else self.draw.choice([signal.SIGKILL, signal.SIGSEGV])
        for pid in before:
            os.kill(pid, how)
        self.until_another(before)
        until(lambda: self.server.answers("/ping"), "it serves after a kill")
        self.excuse(begun, "/")

    def reload(self):
        self.server.write(self.text)
        self.renew("reload")

    def upgrade(self):
        self.renew("upgrade")

    def renew(self, name):
        before = self.server.workers()
        subprocess.run([WEFT, name, self.server.path], check=True, capture_output=True,
                       timeout=PATIENCE)
        self.until_another(before)

    def reload_a_bad_file(self):
        before = self.server.said().count("stays in force")
        self.server.write(self.text.replace("respond", "resqond"))
        self.server.signal(signal.SIGHUP)
        until(lambda: self.server.said().count("stays in force") > before, "a bad file is refused")
        self.server.write(self.text)

    def kill_an_upstream(self):
        begun, i = time.monotonic(), self.draw.randrange(2)
        self.upstreams[i].kill()
        self.upstreams[i].wait()
        time.sleep(self.draw.uniform(0, 1))
        self.upstreams[i] = self.upstream(i)
        self.excuse(begun, "/proxied")

    def freeze_an_upstream(self):
        begun, one = time.monotonic(), self.draw.choice(self.upstreams)
        one.send_signal(signal.SIGSTOP)
        time.sleep(self.draw.uniform(0.1, 1.5))
        one.send_signal(signal.SIGCONT)
        self.excuse(begun, "/proxied")

    def fill_the_disk(self):
        if not self.has_tmpfs:
            return
        path = os.path.join(self.logs, "ballast")
        try:
            with open(path, "wb", buffering=0) as file:
                while file.write(b"\0" * 4096):
                    pass
        except OSError:
            pass
        time.sleep(0.5)
        os.unlink(path)
        os.truncate(os.path.join(self.logs, "access.log"), 0)

    def take_descriptors(self):
        begun = time.monotonic()
        for pid in self.server.workers():
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=24:"], check=False)
        time.sleep(self.draw.uniform(0.2, 1))
        for pid in self.server.workers():
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=1024:"], check=False)
        self.excuse(begun, "/")

    def take_a_cpu(self):
        pids = [self.server.process.pid, *self.server.workers()]
        tasks = [int(task) for pid in pids if os.path.isdir(f"/proc/{pid}/task")
                 for task in os.listdir(f"/proc/{pid}/task")]
        all_cpus = os.sched_getaffinity(0)
        for cpus in ({min(all_cpus)}, all_cpus):
            for task in tasks:
                try:
                    os.sched_setaffinity(task, cpus)
                except ProcessLookupError:
                    pass
            time.sleep(0.5)

    # ---- the run ----

    def run(self):
        acts = [self.kill_the_worker, self.reload, self.upgrade, self.reload_a_bad_file,
                self.kill_an_upstream, self.freeze_an_upstream, self.fill_the_disk,
                self.take_descriptors, self.take_a_cpu]
        ledger = Ledger(self.server.port, options.seed, options.clients)
        end, order = time.monotonic() + options.seconds, []
        try:
            while time.monotonic() < end:
                time.sleep(self.draw.uniform(0.2, 1.5))
                if not order: # each as often as the others
                    order = self.draw.sample(acts, len(acts))
                act = order.pop()
                act()
                self.done.append(act.__name__)
            time.sleep(GRACE)
        finally:
            ledger.stop()
        return self.judge(ledger)

    def judge(self, ledger):
        inexcusable = [f for f in ledger.failures if not any(
            f[0] <= ended and f[1] >= begun and f[2].startswith(prefix)
            for begun, ended, prefix in self.excuses)]
        print(f"{sum(ledger.counts.values())} requests: {dict(ledger.counts)}")
        print("done: " + ", ".join(f"{self.done.count(n)} {n}" for n in sorted(set(self.done))))
        for wrong in ledger.wrongs[:10]:
            print(f"WRONG: {wrong}")
        for failure in inexcusable[:10]:
            print(f"FAILED without a reason: {failure[2]}: {failure[3]}")
        is_alive = self.server.process.poll() is None
        if not is_alive:
            print("the supervisor ended")
        return is_alive and not ledger.wrongs and not inexcusable and ledger.counts["right"] > 100

    def close(self):
        said = self.server.said()
        status = self.server.stop()
        for one in self.upstreams:
            one.kill()
            one.wait()
        if self.has_tmpfs:
            subprocess.run(["umount", self.logs], check=False)
        os.rmdir(self.logs) if not os.listdir(self.logs) else None
        return status, said


print(f"seed {options.seed}", flush=True)
chaos = Chaos()
is_good = False
try:
    is_good = chaos.run()
finally:
    ended, errors = chaos.close()
    is_good = is_good and "ThreadSanitizer" not in errors
    if not is_good:
        print(errors[-4000:])
        print(f"FAILED: {sys.argv[0]} {options.weft} --seconds {options.seconds:g} "
              f"--seed {options.seed}{' --tsan' if options.tsan else ''}")
if ended != 0:
    print(f"the server ended with {ended}")
sys.exit(0 if is_good and ended == 0 else 1)
