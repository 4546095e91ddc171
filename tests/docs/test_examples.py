#!/usr/bin/env python3
"""The examples of the pages, and users' programs about it: each whole program compiles as
it stands, without a warning, runs, and says what the page says that it says."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT, LIBRARY = os.environ["WEFT_ROOT"], os.environ["WEFT_LIBRARY"]
CC = os.environ.get("CC", "cc").split()
CXX = os.environ.get("CXX", "c++").split()
PAGES = ["coroutines", "channels", "synchronisation", "contexts", "blocking", "debugging",
         "routing", "middleware", "testing", "requests", "bodies", "responses", "client", "proxy",
         "files", "websocket"]
FLAGS = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fstack-clash-protection"]

# A whole program, and what it prints when the page shows it.
EXAMPLE = re.compile(r"^```c\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.S | re.M)


def examples(page):
    with open(os.path.join(ROOT, "docs", page + ".md"), encoding="utf-8") as f:
        text = f.read()
    return [(m[1], m[2]) for m in EXAMPLE.finditer(text) if "int main(" in m[1]]


def build_and_run(source, compiler, standard, folder):
    """Returns the exit status and what it printed, to stdout and to stderr."""
    program = os.path.join(folder, "program")
    subprocess.run([*compiler, "-std=" + standard, *FLAGS, source, "-o", program,
                    "-I", os.path.join(ROOT, "lib/include"), LIBRARY, "-pthread",
                    "-Wl,-rpath," + os.path.dirname(LIBRARY)], check=True, timeout=120)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False,
                          cwd=folder)
    return done.returncode, done.stdout, done.stderr


class Examples(unittest.TestCase):
    def run_page(self, page):
        found = examples(page)
        self.assertTrue(found, "a page without an example")
        for i, (code, expected) in enumerate(found):
            with self.subTest(page=page, example=i + 1), tempfile.TemporaryDirectory() as folder:
                source = os.path.join(folder, "example.c")
                with open(source, "w", encoding="utf-8") as f:
                    f.write(code)
                status, out, err = build_and_run(source, CC, "c11", folder)
                self.assertEqual(status, 0, err)
                if expected is not None:
                    self.assertEqual(out, expected)

    def run_program(self, name, compiler, standard, said=""):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(ROOT, "tests/programs", name)
            status, out, err = build_and_run(source, compiler, standard, folder)
            self.assertEqual((status, err), (0, said), out)
            return out

    def test_select_of_two_channels_and_a_timer(self):
        out = self.run_program("results.c", CC, "c11")
        self.assertEqual(out, "result 1\nresult 2\nresult 3\nno more results\ntimed out\nquit\n")

    def test_parts_fetched_by_a_group(self):
        out = self.run_program("fetch_all.c", CC, "c11",
                               "weft: GET /all?slow=1: Connection timed out\n")
        self.assertEqual(out, "a,b,c\nstatus 504\n")

    def test_blocking_libraries(self):
        out = self.run_program("report.c", CC, "c11")
        self.assertRegex(out, r"^query done\nquery done\nreadable\ntimed out\n$")

    def test_a_pool_of_workers(self):
        out = self.run_program("worker_pool.c", CC, "c11")
        self.assertIn("10 jobs done by 3 workers\n", out)

    @unittest.skipUnless(shutil.which(CXX[0]), "there is no C++ compiler")
    def test_the_same_in_cxx(self):
        out = self.run_program("coroutines.cc", CXX, "c++17")
        self.assertEqual(out, "sum 55\ntimed out\ngroup -5\n")


for name in PAGES:
    setattr(Examples, f"test_page_{name}", lambda self, page=name: self.run_page(page))

if __name__ == "__main__":
    unittest.main()
