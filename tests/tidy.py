#!/usr/bin/env python3
"""Keeps what a machine can keep of the house rules: layering, line length, the size of functions
and files, tabs, leftovers. Prints each breach as file:line: what, and fails if there is one."""
import re
import subprocess
import sys

LAYERS = ["base", "rt", "net", "tls", "http"]
LINE_MAX, FUNCTION_MAX, FILE_MAX = 100, 70, 600
LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True,
                       text=True, check=True).stdout.split()
headers = {}
for path in files:
    parts = path.split("/")
    if path.endswith(".h") and parts[0] == "lib" and parts[1] in LAYERS:
        headers[parts[-1]] = parts[1]

breaches = []


def breach(path, line, what):
    breaches.append(f"{path}:{line}: {what}")


def check_includes(path, lines):
    parts = path.split("/")
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([^"]+)"', line)
        if not found:
            continue
        layer = headers.get(found[1])
        if parts[0] == "lib" and layer and LAYERS.index(layer) > LAYERS.index(parts[1]):
            breach(path, number, f"{parts[1]} includes {found[1]} of {layer}, which is above it")
        if parts[0] in ("server", "handlers") and layer:
            breach(path, number, f"{parts[0]} includes the internal header {found[1]}")


def check_functions(path, lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_MAX:
                breach(path, start, f"a function of {number - start - 1} lines")
            start = None


for path in files:
    if not re.search(r"\.(c|h|S|py|build)$", path) and path not in ("dev", ".ci/run"):
        continue
    if path.startswith("tests/programs/"):
        continue  # users' programs, as they stand
    lines = open(path, encoding="utf-8").read().split("\n")
    if len(lines) > FILE_MAX and not path.startswith("tests/"):
        breach(path, len(lines), f"a file of {len(lines)} lines")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            breach(path, number, f"a line of {len(line)} characters")
        if "\t" in line:
            breach(path, number, "a tab")
        if line != line.rstrip():
            breach(path, number, "white space at the end")
        if LEFTOVERS.search(line) and path != "tests/tidy.py":
            breach(path, number, "a leftover")
    if path.endswith((".c", ".h")):
        check_includes(path, lines)
    if path.endswith(".c"):
        check_functions(path, lines)

print("\n".join(breaches) if breaches else f"tidy: {len(files)} files, nothing to say")
sys.exit(bool(breaches))
