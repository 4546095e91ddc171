#!/usr/bin/env python3
"""Typed channels: a wrong element type does not compile, in C and in C++, and right ones do so
without a warning."""
import os
import shutil
import subprocess
import tempfile
import unittest

INCLUDE = os.environ["WEFT_INCLUDE"]
CC = os.environ.get("CC", "cc").split()
CXX = os.environ.get("CXX", "c++").split()

PROGRAM = """#include <weft/weft.h>
struct order { int id; };
struct invoice { int id; };
WEFT_CHAN_DEFINE(orders, struct order)
WEFT_CHAN_DEFINE(invoices, struct invoice)
int use(orders ch, invoices other, struct order *order, struct invoice *invoice);
int use(orders ch, invoices other, struct order *order, struct invoice *invoice)
{
    (void)other, (void)invoice, (void)ch, (void)order;
    return %s;
}
"""

RIGHT = [
    "orders_send(ch, order) + orders_recv(ch, order) + invoices_send(other, invoice)",
    "orders_try_send(ch, order) + orders_try_recv(ch, order)",
    "orders_send_until(ch, order, weft_now()) + orders_recv_until(ch, order, weft_now())",
    "weft_select(orders_send_case(ch, order), orders_recv_case(ch, order), WEFT_DEFAULT)",
    "(orders_close(ch), orders_free(ch), orders_new(3).chan == NULL)",
]
WRONG = [
    "orders_send(ch, invoice)",
    "orders_recv(ch, invoice)",
    "orders_send(ch, &order->id)",
    "orders_send_until(ch, invoice, 0)",
    "orders_recv_until(ch, invoice, 0)",
    "orders_try_send(ch, invoice)",
    "orders_try_recv(ch, invoice)",
    "weft_select(orders_send_case(ch, invoice))",
    "weft_select(orders_recv_case(ch, invoice))",
    "orders_send(other, order)",
]
C_CLEAN = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
CXX_CLEAN = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def compile_one(compiler, suffix, flags, expression):
    """Returns the compiler's status and what it said."""
    with tempfile.NamedTemporaryFile("w", suffix=suffix) as source:
        source.write(PROGRAM % expression)
        source.flush()
        done = subprocess.run([*compiler, *flags, "-I", INCLUDE, "-fsyntax-only", source.name],
                              capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


class TypedChannels(unittest.TestCase):
    def check_right(self, compiler, suffix, flags):
        for expression in RIGHT:
            status, said = compile_one(compiler, suffix, flags, expression)
            self.assertEqual((status, said), (0, ""), expression)

    def check_wrong(self, compiler, suffix):
        for expression in WRONG:
            status, said = compile_one(compiler, suffix, [], expression)
            self.assertNotEqual(status, 0, f"compiled: {expression}")
            self.assertRegex(said, r"error: .*(incompatible|cannot convert|could not convert)",
                             expression)

    def test_right_types_compile_without_a_warning_in_c(self):
        self.check_right(CC, ".c", C_CLEAN)

    def test_wrong_types_do_not_compile_in_c(self):
        self.check_wrong(CC, ".c")

    @unittest.skipUnless(shutil.which(CXX[0]), "there is no C++ compiler")
    def test_both_in_cxx(self):
        self.check_right(CXX, ".cc", CXX_CLEAN)
        self.check_wrong(CXX, ".cc")


if __name__ == "__main__":
    unittest.main()
