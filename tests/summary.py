#!/usr/bin/env python3
"""Adds up the test cases of all test programs of one run, from meson's log of it."""
import json
import re
import sys

passed = failed = 0
for line in open(sys.argv[1], encoding="utf-8", errors="replace"):
    run = json.loads(line)
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.get("stdout", "") + run.get("stderr", ""))
    found = re.search(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)", text)
    plain = re.search(r"Ran (\d+) tests? in", text)
    if found:
        passed += int(found[2])
        failed += int(found[3]) + int(found[4])
    elif plain and run["returncode"] == 0:
        passed += int(plain[1])
    elif run["returncode"] == 0:
        passed += 1
    if run["returncode"] != 0 and not (found and int(found[3]) + int(found[4])):
        failed += 1
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
