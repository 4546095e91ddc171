#!/usr/bin/env python3
"""The supervisor and its worker: crashes, reloads, upgrades, and no request lost by any of them."""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from running import PATIENCE, WEFT, Supervised, free_port, until

SITE = """
listen: [ "127.0.0.1:PORT" ]
pid_file: weft.pid
routes:
  - { path: /ping, respond: { body: "one" } }
  - { path: /plaintext, handler: plaintext }
"""
CRASH = r"""
#include <weft/module.h>

static int crash_on_purpose(weft_http *h, void *arg)
{
    (void)h;
    return *(volatile int *)arg;
}

static int setup(weft_app *app, const weft_module_config *cfg)
{
    (void)cfg;
    return weft_get(app, "/now", crash_on_purpose, NULL);
}

WEFT_MODULE("crash", setup)
"""


def command(name, path):
    return subprocess.run([WEFT, name, path], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def wrk(port, seconds):
    return subprocess.Popen(["wrk", "-t1", "-c16", f"-d{seconds}s",
                             f"http://127.0.0.1:{port}/plaintext"], stdout=subprocess.PIPE,
                            text=True)


class Process(unittest.TestCase):
    def setUp(self):
        self.server = Supervised(SITE)
        self.addCleanup(self.server.stop)

    def test_a_crashed_worker_is_replaced_and_the_log_says_where(self):
        include = os.environ["WEFT_INCLUDE"]
        source = os.path.join(self.server.folder.name, "crash.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(CRASH)
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared",
                        "-fPIC", f"-I{include}", source, "-o", source[:-2] + ".so"], check=True,
                       timeout=PATIENCE)
        self.server.write(SITE + "  - { path: /crash, module: ./crash.so }\n")
        self.server.start()
        before = self.server.workers()
        with socket.create_connection(("127.0.0.1", self.server.port)) as client:
            client.sendall(b"GET /crash/now HTTP/1.1\r\nHost: x\r\n\r\n")
            client.settimeout(PATIENCE)
            try:
                self.assertEqual(client.recv(100), b"")
            except ConnectionResetError:
                pass
        # Not refused for a moment: the socket is the supervisor's.
        self.assertEqual(self.server.get("/ping"), (200, "one"))
        self.assertNotEqual(self.server.workers(), before)
        said = self.server.said()
        self.assertIn("signal 11 (Segmentation fault)", said)
        self.assertIn("in a coroutine", said)
        self.assertRegex(said, r"  crash_on_purpose\+0x[0-9a-f]+ \(crash\.so\+0x") # static: by name
        self.assertIn("another one starts", said)

    def test_a_fault_signal_that_was_sent_ends_the_worker_as_a_fault_does(self):
        self.server.start()
        for sig in [signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT]:
            before = self.server.workers()
            os.kill(before[0], sig)
            until(lambda: self.server.workers() not in ([], before), f"{sig} ends the worker")
            self.assertEqual(self.server.get("/ping"), (200, "one"))
            self.assertIn(f"signal {int(sig)} (", self.server.said())

    def test_a_reload_takes_the_new_file(self):
        self.server.start()
        before = self.server.workers()
        self.server.write(SITE.replace("one", "two"))
        self.assertEqual(command("reload", self.server.path).returncode, 0)
        until(lambda: self.server.get("/ping")[1] == "two", "the new file is served")
        until(lambda: before[0] not in self.server.workers(), "the old worker ends")

    def test_a_bad_file_leaves_the_old_one_in_force(self):
        self.server.start()
        before = self.server.workers()
        self.server.write(SITE.replace("respond", "resqond"))
        self.server.signal(signal.SIGHUP)
        until(lambda: "stays in force" in self.server.said(), "it is said")
        self.assertRegex(self.server.said(), r"weft.yaml:5:\d+: unknown key 'resqond'; did you")
        self.assertEqual(self.server.get("/ping"), (200, "one"))
        self.assertEqual(self.server.workers(), before)

    def test_a_reload_may_move_to_another_address(self):
        self.server.start()
        old, self.server.port = self.server.port, free_port()
        self.server.write(SITE)
        self.server.signal(signal.SIGHUP)
        until(lambda: self.server.answers("/ping"), "the new address is served")
        until(lambda: self.refuses(old), "the old one is closed")

    @staticmethod
    def refuses(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            return True
        return False

    def test_upgrades_reloads_and_load_lose_no_request(self):
        self.server.start()
        load = wrk(self.server.port, 3)
        pid = self.server.process.pid
        for name in ["upgrade", "reload", "upgrade"]:
            workers = self.server.workers()
            time.sleep(0.3) # some load between
            self.assertEqual(command(name, self.server.path).returncode, 0)
            until(lambda: workers[0] not in self.server.workers(), f"{name} brings a new worker")
        out, _ = load.communicate(timeout=PATIENCE)
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        self.assertGreater(int(re.search(r"(\d+) requests in", out)[1]), 100)
        self.assertEqual(self.server.process.pid, pid)
        self.assertIsNone(self.server.process.poll())
        self.assertEqual(self.server.said().count("upgrading to"), 2)

    def test_a_binary_that_does_not_work_does_not_take_over(self):
        with tempfile.TemporaryDirectory() as folder:
            exe = shutil.copy(WEFT, os.path.join(folder, "weft"))
            self.server.start(exe)
            os.rename(exe, exe + ".old")
            with open(exe, "w", encoding="utf-8") as file:
                file.write("#!/bin/false\n")
            os.chmod(exe, 0o755)
            self.server.signal(signal.SIGUSR2)
            until(lambda: "not upgrading" in self.server.said(), "it is said")
            worker = self.server.workers()[0]
            os.kill(worker, signal.SIGKILL) # and a new worker is of the old binary
            until(lambda: self.server.workers() not in ([], [worker]), "another worker")
            self.assertEqual(self.server.get("/ping"), (200, "one"))

    def test_stop_drains_and_removes_the_pid_file(self):
        self.server.start()
        pid_file = os.path.join(self.server.folder.name, "weft.pid")
        with open(pid_file, encoding="utf-8") as file:
            self.assertEqual(int(file.read()), self.server.process.pid)
        self.assertEqual(command("stop", self.server.path).returncode, 0)
        self.assertEqual(self.server.process.wait(PATIENCE), 0)
        self.assertFalse(os.path.exists(pid_file))
        self.assertIn("nobody serves", command("stop", self.server.path).stderr)

    def read(self, name):
        try:
            with open(os.path.join(self.server.folder.name, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def test_logs_are_opened_again_at_sigusr1(self):
        logs = "log: { access: ./access.log, format: common, error: ./error.log }\n"
        self.server.write(SITE + logs)
        self.server.start()
        until(lambda: '"GET /ping HTTP/1.1" 200 3' in self.read("access.log"), "it is logged")
        for name in ["access.log", "error.log"]:
            os.rename(os.path.join(self.server.folder.name, name),
                      os.path.join(self.server.folder.name, name + ".1"))
        self.server.signal(signal.SIGUSR1)
        until(lambda: self.server.get("/ping") and self.read("access.log"), "a new file is used")
        self.server.write("lissten: []\n")
        self.server.signal(signal.SIGHUP)
        until(lambda: "unknown key 'lissten'" in self.read("error.log"), "it is said there")

    def test_a_worker_that_cannot_start_is_the_servers_status(self):
        self.server.write(SITE.replace("plaintext }", "plantext }"))
        self.server.start()
        self.assertEqual(self.server.process.wait(PATIENCE), 2)
        self.assertRegex(self.server.said(), r"weft.yaml:6:\d+: .*no built-in handler 'plantext'")


@unittest.skipUnless(os.geteuid() == 0, "only root may become another user")
class Privileges(unittest.TestCase):
    def test_the_worker_is_the_user_and_has_no_way_back(self):
        server = Supervised(SITE + "user: nobody\n")
        self.addCleanup(server.stop)
        os.chmod(server.folder.name, 0o755)
        server.start()
        nobody = pwd.getpwnam("nobody")
        with open(f"/proc/{server.workers()[0]}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["Uid"].split(), [str(nobody.pw_uid)] * 4)
        self.assertEqual(status["Gid"].split(), [str(nobody.pw_gid)] * 4)
        self.assertNotIn("0", status["Groups"].split())
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(int(status["CapPrm"], 16), 0)
        # and a reload makes such a worker again
        before = server.workers()
        server.signal(signal.SIGHUP)
        until(lambda: server.workers() and before[0] not in server.workers(), "a new worker")
        self.assertEqual(os.stat(f"/proc/{server.workers()[0]}").st_uid, nobody.pw_uid)


class Systemd(unittest.TestCase):
    def test_is_told_when_it_serves_and_stops(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(path)
                manager.settimeout(PATIENCE)
                server = Supervised(SITE, NOTIFY_SOCKET=path, WATCHDOG_USEC="200000").start()
                self.addCleanup(server.stop)
                said = ""
                while "READY=1" not in said or "WATCHDOG=1" not in said:
                    said += manager.recv(500).decode() + "\n"
                server.signal(signal.SIGTERM)
                while "STOPPING=1" not in said:
                    said += manager.recv(500).decode() + "\n"

    def test_may_have_bound_the_socket(self):
        server = Supervised(SITE)
        self.addCleanup(server.stop)
        listener = socket.create_server(("127.0.0.1", server.port))
        self.addCleanup(listener.close)
        script = f'exec 3<&{listener.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; ' \
                 f'exec "{WEFT}" serve -c "{server.path}"'
        server.process = subprocess.Popen(["bash", "-c", script], stderr=server.errors,
                                          pass_fds=[listener.fileno()])
        until(lambda: server.answers("/ping") or server.process.poll() is not None, "it serves")
        self.assertIsNone(server.process.poll(), server.said())
        self.assertEqual(server.get("/ping"), (200, "one"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
