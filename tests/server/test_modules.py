#!/usr/bin/env python3
"""Handler modules: the one that docs/modules.md shows works, and one that does not is one error."""
import os
import re
import subprocess
import unittest

from running import PATIENCE, Supervised

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROUTES = """
listen: [ "127.0.0.1:PORT" ]
routes:
  - { path: /ping, respond: { body: pong } }
"""
ROUTE = "  - { path: /greet, module: %s }\n"
MODULE = """
#include <weft/module.h>
static int setup(weft_app *app, const weft_module_config *cfg)
{
    (void)app; (void)cfg;
    return %s;
}
WEFT_MODULE("broken", setup)
"""


def shown(language):
    """The page's first block of a language."""
    with open(os.path.join(ROOT, "docs/modules.md"), encoding="utf-8") as file:
        return re.search(rf"```{language}\n(.*?)```", file.read(), re.S)[1]


class Modules(unittest.TestCase):
    def setUp(self):
        self.server = Supervised(ROUTES)
        self.addCleanup(self.server.stop)

    def compile(self, source, *more):
        base = os.path.join(self.server.folder.name, "greet")
        with open(base + ".c", "w", encoding="utf-8") as file:
            file.write(source)
        subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared",
                        "-fPIC", "-fstack-clash-protection", f"-I{os.environ['WEFT_INCLUDE']}",
                        *more, base + ".c", "-o", base + ".so"], check=True, timeout=PATIENCE)

    def refused(self, module="./greet.so"):
        """What the server says of the configuration that it does not start with: one line."""
        self.server.write(ROUTES + ROUTE % module)
        self.server.start()
        self.assertEqual(self.server.process.wait(PATIENCE), 2)
        said = self.server.said()
        self.assertEqual(len(re.findall(r"weft\.yaml:5:\d+: ", said)), 1, said)
        return said

    def test_the_example_of_the_page_works(self):
        self.compile(shown("c"))
        self.server.write(ROUTES + shown("yaml").replace("routes:\n", ""))
        self.server.start()
        self.assertEqual(self.server.get("/greet/Ada"), (200, "Good day, Ada!\n"))
        self.assertEqual(self.server.get("/greet"), (404, self.server.get("/none")[1]))

    def test_one_that_is_missing_is_named(self):
        self.assertRegex(self.refused(), r"cannot read .*greet.so.: No such file or directory")

    def test_a_shared_object_that_is_no_module_is_refused(self):
        self.compile("int other(void); int other(void) { return 1; }\n")
        self.assertIn("is no weft module: it has no WEFT_MODULE(...)", self.refused())

    def test_a_file_that_is_no_shared_object_is_refused(self):
        with open(os.path.join(self.server.folder.name, "greet.so"), "w", encoding="utf-8") as file:
            file.write("text, and enough of it to be looked at as if it were an object\n" * 9)
        self.assertIn("invalid ELF header", self.refused())

    def test_one_built_for_another_version_is_refused_before_any_of_it_runs(self):
        source = MODULE % "0"
        self.compile(source.replace("#include <weft/module.h>", "#include <weft/module.h>\n"
                                    "#undef WEFT_MODULE_ABI\n#define WEFT_MODULE_ABI 77\n"))
        self.assertIn("was built for another weft (module interface 77, this is 1)",
                      self.refused())

    def test_one_whose_setup_fails_says_why(self):
        self.compile(MODULE % "-ENOENT", "-include", "errno.h")
        self.assertIn("the setup of module 'broken' failed: No such file or directory",
                      self.refused())


if __name__ == "__main__":
    unittest.main(verbosity=1)
