#!/usr/bin/env python3
"""weft.yaml: what is accepted, and how each mistake is said: file:line:column, found, expected."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

WEFT = os.environ["WEFT_BIN"]
PATIENCE = 30
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
EXAMPLE = os.path.join(ROOT, "docs/weft.yaml")
SCHEMA = os.path.join(ROOT, "server/config_schema.c")

MISTAKES = [
    # the file, its line and column, what the message says
    ("", "1:1", "the file is empty"),
    ("- a\n", "1:1", "the file is a list; expected a mapping"),
    ("listen: [a\nroutes: []\n", "2:7", "did not find expected ',' or ']'"),
    ("listen: ':80'\n", "1:9", "listen is ':80'; expected a list"),
    ("listen: []\n", "1:9", "listen has 0 entries; expected 1 to"),
    ("lisen: [':80']\n", "1:1", "unknown key 'lisen'; did you mean 'listen'?"),
    ("frobnicate: 1\n", "1:1", "unknown key 'frobnicate' in the file"),
    ("threads: many\n", "1:10", "threads is 'many'; expected a number"),
    ("threads: 257\n", "1:10", "threads: is 257; expected 1 to 256"),
    ("threads: 2\nuser: root\nthreads: 4\n", "3:1", "'threads' stands twice; first in line 1"),
    ("compress: maybe\n", "1:11", "compress is 'maybe'; expected one of true, false"),
    ("listen: ['127.0.0.1']\n", "1:10", "'127.0.0.1' is no address"),
    ("listen: [':99999']\n", "1:10", "':99999' is no address"),
    ("timeouts: { idle: 10 }\n", "1:19", "'10' is no duration; expected one like 500ms"),
    ("limits: { body: much }\n", "1:17", "'much' is no size"),
    ("limits: { headers: 101 }\n", "1:20", "is 101; expected at most 100"),
    ("trusted_proxies: [10.0.0.0/33]\n", "1:19", "'10.0.0.0/33' is no network"),
    ("proxy_protocol: on\n", "1:17", "wants trusted_proxies"),
    ("user: nobody-of-that-name\n", "1:7", "this machine has no user"),
    ("admin: { listen: '0.0.0.0:9000' }\n", "1:18", "can be reached from outside"),
    ("log: { access: /nowhere/access.log }\n", "1:16", "cannot write to '/nowhere/access.log'"),
    ("log: { format: xml }\n", "1:16", "expected one of common, combined, json"),
    ("listen: ['${WEFT_TEST_NOTHING}']\n", "1:10", "the environment has no 'WEFT_TEST_NOTHING'"),
    ("user: '${WEFT'\n", "1:7", "'${' without its '}'"),
    ("rate_limit: { burst: 3 }\n", "1:13", "the key 'per_second' is missing in rate_limit"),
    ("rate_limit: { per_second: 0 }\n", "1:13", "per_second must be at least 1"),
    ("headers: [a]\n", "1:10", "expected a mapping (name: value)"),
    ("routes:\n  - { static: . }\n", "2:5", "the key 'path' is missing in routes[0]"),
    ("routes:\n  - { path: /a }\n", "2:5", "the route leads nowhere"),
    ("routes:\n  - { path: a, static: . }\n", "2:13", "expected a path that begins with '/'"),
    ("routes:\n  - { path: /, static: ./no }\n", "2:24", "cannot read the folder"),
    ("routes:\n  - { path: /, module: ./no.so }\n", "2:24", "cannot read './no.so'"),
    ("routes:\n  - { path: /, static: ., handler: x }\n", "2:36", "leads to one thing only"),
    ("routes:\n  - { path: /, static: ., options: {} }\n", "2:36", "goes with 'module'"),
    ("routes:\n  - { path: /, proxy: ['a:1'] }\n", "2:24", "'a:1' is no upstream"),
    ("routes:\n  - { path: /, redirect: /x, status: 200 }\n", "2:38", "a status from 300"),
    ("hosts:\n  - { routes: [] }\n", "2:5", "the key 'names' is missing in hosts[0]"),
    ("tls: { listen: [':1'], certificates: [{ cert: /no.pem, key: /no.key }] }\n", "1:47",
     "cannot read '/no.pem'"),
]


def check(text, folders=(), files=(), **env):
    with tempfile.TemporaryDirectory() as folder:
        for name in folders:
            os.mkdir(os.path.join(folder, name))
        for name in files:
            open(os.path.join(folder, name), "w", encoding="utf-8").close()
        with open(os.path.join(folder, "weft.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([WEFT, "check", "weft.yaml"], cwd=folder, capture_output=True,
                              env={**os.environ, **env}, text=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout, done.stderr


class Mistakes(unittest.TestCase):
    def test_each_is_said_with_its_place(self):
        for text, place, message in MISTAKES:
            with self.subTest(text=text):
                status, out, err = check(text)
                self.assertEqual((status, out), (2, ""), err)
                self.assertIn(message, err)
                line = next(line for line in err.splitlines() if message in line)
                self.assertTrue(line.startswith(f"weft.yaml:{place}: "), err)

    def test_all_are_said_at_once(self):
        _, _, err = check("threads: x\nlisen: [a]\nroutes: 3\n")
        self.assertEqual([line.split(":")[1] for line in err.splitlines()], ["1", "2", "3"], err)

    def test_a_file_that_cannot_be_read(self):
        done = subprocess.run([WEFT, "check", "/nowhere.yaml"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (2, "/nowhere.yaml: No such file or directory\n"))


class Example(unittest.TestCase):
    """docs/weft.yaml, which is the reference."""

    def test_is_right_as_it_stands_and_uncommented(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(check(text, folders=["www"])[2], "")
        whole = re.sub(r"^( *)# (?= *(- )?[a-z_]+:( |$)| *- {)", r"\1", text, flags=re.M)
        whole = whole.replace("www-data", "root")
        files = ["server.pem", "server.key", "clients.pem", "greet.so"]
        self.assertEqual(check(whole, folders=["www"], files=files)[2], "")

    def test_its_routes_are_listed(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "www"))
            shutil.copy(EXAMPLE, folder)
            done = subprocess.run([WEFT, "routes", os.path.join(folder, "weft.yaml")],
                                  capture_output=True, text=True, timeout=PATIENCE, check=True)
            lines = [line.split() for line in done.stdout.splitlines()]
            self.assertEqual(lines[0][:4], ["static.example.org,*.static.example.org", "GET",
                                            "/...", "static"])
            self.assertIn(["*", "GET", "/plaintext", "handler", "plaintext"], lines)
            self.assertIn(["*", "any", "/old/{rest...}", "redirect", "301", "/{rest}"], lines)
            api = next(line for line in lines if line[2] == "/api/...")
            self.assertEqual(api[3:], ["proxy", "http://127.0.0.1:9000,http://127.0.0.1:9001",
                                       "with", "cors,basic_auth"])

    def test_has_every_key(self):
        with open(EXAMPLE, encoding="utf-8") as file:
            known = set(re.findall(r"([a-z_]+):(?= |$)", file.read(), flags=re.M))
        with open(SCHEMA, encoding="utf-8") as file:
            keys = set(re.findall(r'[A-Z_]+\("([a-z_]+)", ', file.read()))
        self.assertGreater(len(keys), 60)
        self.assertEqual(keys - known, set())


class Environment(unittest.TestCase):
    def test_a_value_stays_one_scalar_whatever_it_has(self):
        status, _, err = check("routes: [{ path: '${P}', handler: x }]\n", P="/a, b: [\"'\n#")
        self.assertEqual(status, 0, err)

    def test_defaults_and_dollar_signs(self):
        self.assertEqual(check("threads: ${NO_SUCH:-2}\n")[0], 0)
        self.assertIn("is '${X}'", check("routes: [{ path: '$${X}', handler: x }]\n")[2])
        self.assertEqual(check("threads: ${N}\n", N="3")[0], 0)
        self.assertEqual(check("threads: ${N}\n", N="3x")[0], 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
