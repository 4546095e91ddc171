#!/usr/bin/env python3
"""How the binary is built: what makes a memory error harder to use. docs/security.md tells why."""
import os
import subprocess
import unittest

WEFT = os.environ["WEFT_BIN"]
IS_SANITIZED = any(f"build/{kind}/" in WEFT for kind in ("asan", "tsan", "ubsan"))


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args, WEFT], capture_output=True, text=True,
                          timeout=60, check=True).stdout


class Hardening(unittest.TestCase):
    def test_the_binary_is_loaded_anywhere(self):
        self.assertRegex(readelf("-h"), r"Type:\s+DYN")
        self.assertIn("PIE", readelf("-d"))

    def test_relocations_are_read_only_from_the_start(self):
        self.assertIn("GNU_RELRO", readelf("-l"))
        self.assertRegex(readelf("-d"), r"BIND_NOW|Flags:.*NOW")

    def test_no_segment_is_writable_and_executable(self):
        for line in readelf("-l").splitlines():
            fields = line.split()
            if fields and fields[0] in ("LOAD", "GNU_STACK"):
                flags = "".join(fields[6:-1])
                self.assertFalse("W" in flags and "E" in flags, line)

    def test_there_is_no_path_to_look_for_libraries_in(self):
        self.assertNotRegex(readelf("-d"), r"RPATH|RUNPATH")

    def test_frames_are_guarded_and_copies_checked(self):
        names = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", names)
        if not IS_SANITIZED:
            self.assertIn("__snprintf_chk", names)

    def test_large_frames_touch_every_page_of_their_stack(self):
        # A frame of weft's that is larger than a page: its probes write zero to the stack.
        code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", WEFT], capture_output=True,
                              text=True, timeout=120, check=True).stdout
        self.assertRegex(code, r"or[qlb]\s+\$0x0,.*\(%rsp\)|str\s+xzr, \[sp")


if __name__ == "__main__":
    unittest.main(verbosity=1)
