#!/usr/bin/env python3
"""An execution trace, as Perfetto would read it: well-formed, complete, each end after its
beginning."""
import collections
import json
import os
import subprocess
import tempfile
import unittest

TRACED = os.environ["WEFT_TRACED"]


def record(by_hand):
    """Runs the traced program and returns its trace's events."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        env = dict(os.environ)
        env.pop("WEFT_SCHED_SEED", None)
        if not by_hand:
            env["WEFT_TRACE"] = path
        done = subprocess.run([TRACED] + ([path] if by_hand else []), env=env, timeout=60,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr)
        with open(path, encoding="utf-8") as f:
            return json.load(f)["traceEvents"]


def of(events, **what):
    return [e for e in events if all(e.get(k) == v for k, v in what.items())]


class Trace(unittest.TestCase):
    def check_form(self, events):
        for e in events:
            self.assertIn(e["ph"], "MXibesf")
            self.assertIn(e["pid"], (1, 2))
            self.assertIsInstance(e["name"], str)
            if e["ph"] != "M":
                self.assertGreaterEqual(e["ts"], 0)
            if e["ph"] == "X":
                self.assertGreaterEqual(e["dur"], 0)

    def check_slices(self, events):
        """A processor runs one coroutine at a time."""
        for lane in (0, 1):
            slices = sorted(of(events, ph="X", tid=lane), key=lambda e: e["ts"])
            for before, after in zip(slices, slices[1:]):
                self.assertLessEqual(before["ts"] + before["dur"], after["ts"] + 0.002)

    def check_pairs(self, events, begin, end, key):
        is_open = collections.Counter()
        for e in events:
            if e["ph"] == begin:
                is_open[key(e)] += 1
            elif e["ph"] == end:
                is_open[key(e)] -= 1
                self.assertGreaterEqual(is_open[key(e)], 0, e)
        return is_open

    def check(self, events):
        self.check_form(events)
        self.check_slices(events)
        waits = self.check_pairs(events, "b", "e", lambda e: (e["id"], e["cat"], e["name"]))
        self.assertFalse(+waits, "every wait has its end")
        self.check_pairs(events, "s", "f", lambda e: (e["id"]))
        names = {e["args"]["name"] for e in of(events, ph="M")}
        self.assertLessEqual({"processors", "coroutines", "processor 0", "processor 1"}, names)
        self.assertGreater(len({e["name"] for e in of(events, ph="X")}), 200)
        reasons = {e["name"] for e in of(events, ph="b")}
        self.assertIn("sleep", reasons)
        self.assertTrue(reasons & {"channel send", "channel receive"}, reasons)
        self.assertTrue(of(events, ph="b", cat="network", name="network read"))
        instants = " ".join(e["name"] for e in of(events, ph="i"))
        for what in ("ready ", "steal from processor ", "hand-off from processor "):
            self.assertIn(what, instants)
        self.assertTrue(of(events, ph="f"), "arrows")
        ends = {e["args"]["then"] for e in of(events, ph="X")}
        self.assertLessEqual({"ends", "sleep", "goes on without a processor"}, ends)

    def test_of_a_whole_run_by_the_environment(self):
        self.check(record(by_hand=False))

    def test_of_a_part_by_the_program(self):
        self.check(record(by_hand=True))


if __name__ == "__main__":
    unittest.main()
