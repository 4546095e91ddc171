#!/usr/bin/env python3
"""Runs planted.c's bugs in the build that should find them: test_planted.py KIND PROGRAM, with KIND
thread, address or valgrind. Each must be reported, with the names of the functions that did it; and
where no bug is planted nothing may be said."""
import os
import re
import subprocess
import sys
import unittest

KIND, PROGRAM = sys.argv[1:3]
BEFORE = {"valgrind": ["valgrind", "-q", "--error-exitcode=99"]}


def said(bug):
    """Returns (the exit status, what it wrote)."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("SAN_OPTIONS")}
    done = subprocess.run([*BEFORE.get(KIND, []), PROGRAM, bug], env=env, text=True, timeout=120,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Valgrind's own words on system calls that it does not know are no reports.
    return done.returncode, re.sub(r"(?m)^--\d+-- .*\n", "", done.stdout)


class Planted(unittest.TestCase):
    def assert_found(self, bug, *words):
        status, text = said(bug)
        self.assertNotEqual(status, 0, text)
        for word in words:
            self.assertIn(word, text)

    def test_nothing_is_said_of_a_program_without_a_bug(self):
        status, text = said("nothing")
        self.assertEqual((status, text), (0, ""))


class Thread(Planted):
    def test_a_race_of_two_coroutines(self):
        self.assert_found("race", "ThreadSanitizer: data race", "pay_in", "pay_out", "balance")


class Address(Planted):
    def test_a_use_after_free_across_a_park(self):
        self.assert_found("use_after_free", "heap-use-after-free", "read_freed", "freed by")

    def test_a_write_past_an_array_on_a_coroutines_stack(self):
        self.assert_found("buffer", "stack-buffer-overflow", "write_past", "'buf'")

    def test_a_stack_overflow(self):
        self.assert_found("overflow", "overflowed its stack", "AddressSanitizer", "sink_deep")


class Valgrind(Planted):
    def test_a_use_after_free_across_a_park(self):
        self.assert_found("use_after_free", "Invalid read of size 8", "read_freed", "free'd")

    def test_a_branch_on_what_was_never_written(self):
        self.assert_found("uninitialised", "depends on uninitialised value", "judge")

    def test_a_stack_overflow(self):
        self.assert_found("overflow", "overflowed its stack", "sink_deep")


if __name__ == "__main__":
    test = {"thread": Thread, "address": Address, "valgrind": Valgrind}[KIND]
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(test)
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())
