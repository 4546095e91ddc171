#!/usr/bin/env python3
"""gdb's commands for coroutines, on a live program and on its core dump."""
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SCRIPT = map(os.path.abspath, sys.argv[1:3])


def gdb(*arguments):
    done = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set pagination off", *arguments],
                          capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, "DEBUGINFOD_URLS": ""})
    return done.stdout + done.stderr


def dump_core(folder):
    """Lets the program die; returns its core, or None when there is none to be found."""
    subprocess.run([PROGRAM, "dies"], cwd=folder, timeout=60, check=False, capture_output=True,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
    found = [f for f in os.listdir(folder) if "core" in f]
    return os.path.join(folder, found[0]) if found else None


def commands(*texts):
    return [word for text in texts for word in ("-ex", text)]


def id_of(text, what):
    return re.search(rf"^ *(\d+).*{what}", text, re.M)[1]


class Coroutines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        core = dump_core(cls.folder.name)
        source = ["-ex", f"source {SCRIPT}"]
        cls.live = gdb(PROGRAM, *source, *commands(
            "break reached", "run", "info coroutines", "coroutine all bt", "coroutine 99999 bt",
            "coroutine", "bt 1", "continue", "info coroutines"))
        cls.dead = core and gdb(PROGRAM, core, *source, *commands(
            "info coroutines", "coroutine all bt"))
        deep = id_of(cls.live, '"deep"')
        cls.one = gdb(PROGRAM, *source, *commands(
            "break reached", "run", "echo ==\\n", f"coroutine {deep} bt",
            f"coroutine {deep} frame function wait_inside", "echo ==\\n", "bt 1"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_list(self, text, age):
        self.assertRegex(text, rf'"deep"  parked in recv{age}, wait_inside at .*parked\.c:\d+; '
                         r"spawned by parked at .*parked\.c:\d+")
        self.assertRegex(text, rf"parked in sleep{age}, sleep_long at .*parked\.c:\d+")
        self.assertRegex(text, r"running in thread \d+; spawned by")
        self.assertIn("3 coroutines", text)

    def check_traces(self, text):
        self.assertRegex(text, r"(?s)weft_chan_recv .*wait_inside .*wait_inside .*wait_inside "
                         r".*wait_deep .*coro_main ")
        self.assertRegex(text, r"(?s)weft_sleep_until .*sleep_long .*coro_main ")
        self.assertRegex(text, r"(?s)reached .*parked .*run_main ")

    def test_of_a_live_program(self):
        self.check_list(self.live, r" for \d+ ms")
        self.check_traces(self.live)
        self.assertIn("there is no coroutine 99999", self.live)
        self.assertIn("usage: coroutine ID COMMAND", self.live)
        self.assertRegex(self.live, r"exited normally", "the program goes on undisturbed")

    def test_of_a_core_dump(self):
        if not self.dead:
            self.skipTest("the kernel does not leave cores where they could be found")
        self.check_list(self.dead, "")
        self.check_traces(self.dead)

    def test_of_one_coroutine(self):
        _, inside, after = self.one.split("==\n")
        self.assertRegex(inside, r"(?s)wait_inside .*wait_deep .*wait_inside ")
        self.assertNotIn("sleep_long", inside)
        self.assertIn("reached", after, "the thread is itself again")
        self.assertNotIn("wait_inside", after)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
