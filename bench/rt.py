"""The runtime's primitives beside Go's: build/release/bench/rt_bench and its twin in
bench/peers/go/rt, figure by figure, each in a process of its own, the two taking turns."""
import os
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build", "release", "bench")
WEFT, GO = os.path.join(BUILD, "rt_bench"), os.path.join(BUILD, "go_rt")
GO_SOURCE = os.path.join(HERE, "peers", "go", "rt")

# Figures to run, and at how many processors.
FIGURES = [(name, ("1", "2")) for name in
           ("spawn_join", "spawn_one", "yield", "skynet", "fib22", "chan_unbuffered",
            "chan_buffered", "select3", "select3_buffered", "mutex", "mutex_shared",
            "sleepers_million")] + \
          [("parked_million", ("2",)), ("unrun", ("1",)), ("wake_burning", ("2",)),
           ("wake_blocking", ("2",))]

# What weft must reach: Go's figure divided by weft's is at least so much, or weft's figure is at
# most so much. Two equal figures differ by some percent on a shared machine, whence 0.95.
MIN_RATIO = {"spawn_join": 3, "spawn_one": 3, "yield": 3, "skynet": 3, "fib22": 3,
             "chan_unbuffered": 2, "chan_buffered": 2, "select3": 2, "select3_buffered": 2,
             "mutex": 0.95, "mutex_shared": 0.95, "sleepers_million_overhead": 3}
# 4.6 GB for a million parked are 4.6 times 1,024 bytes each.
MAX_VALUE = {"parked_million_bytes": 4710, "unrun_bytes": 256, "wake_burning_p99": 15e6,
             "wake_blocking_p99": 15e6}


def build_go():
    if not shutil.which("go"):
        print("Go is left out; Debian's package golang-go has it", file=sys.stderr)
        return False
    subprocess.run(["go", "build", "-o", GO, "."], cwd=GO_SOURCE, check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"})
    return True


def run(program, figure, procs):
    """What the program prints for a figure: {name: (value, the same in CPU time)}. The latter is
    its part of the time that all threads of the process were on a CPU: what others on the machine
    take does not count."""
    env = {**os.environ, "WEFT_MAXPROCS": procs, "GOMAXPROCS": procs}
    began = time.monotonic()
    with subprocess.Popen([program, figure], stdout=subprocess.PIPE, text=True, env=env) as process:
        text = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{program} {figure} fails with {process.returncode}")
    share = (used.ru_utime + used.ru_stime) / (time.monotonic() - began)
    return {name: (float(value), float(value) * share)
            for name, value in (line.split("\t") for line in text.splitlines())}


def verdict(name, weft, go):
    """How the figure stands to its target."""
    if name in MAX_VALUE:
        return f"<= {MAX_VALUE[name]:.0f}", weft <= MAX_VALUE[name]
    if name in MIN_RATIO and go:
        return f">= {MIN_RATIO[name]:g}x", go / weft >= MIN_RATIO[name]
    return "", None


def median(values, column):
    return statistics.median(v[column] for v in values)


def row(name, procs, weft_values, go_values):
    """Prints a figure's line. Returns whether it falls short of its target."""
    weft = median(weft_values, 0)
    go = median(go_values, 0) if go_values else None
    target, is_reached = verdict(name, weft, go)
    line = f"{name:26}{procs:>5}{weft:12.1f}"
    if go is not None:
        line += f"{go:12.1f}{go / weft if weft > 0 else 0:8.2f}"
        if name in MIN_RATIO and not name.startswith("sleepers"):
            cpu = median(weft_values, 1)
            line += f"{cpu:10.1f}{median(go_values, 1):10.1f}{median(go_values, 1) / cpu:8.2f}"
    print(f"{line:92}{target:12}" + {None: "", True: "ok", False: "SHORT"}[is_reached], flush=True)
    return is_reached is False


def bench(is_quick, only):
    rounds = 1 if is_quick else 5
    has_go = build_go()
    short = 0
    print(f"medians of {rounds} alternating rounds; ns an operation, or bytes, or ns late")
    print(f"{'name':26}{'procs':>5}{'weft':>12}{'Go':>12}{'ratio':>8}{'weft CPU':>10}{'Go CPU':>10}"
          f"{'ratio':>8}   target")
    for figure, all_procs in FIGURES:
        if only and figure not in only:
            continue
        for procs in all_procs:
            weft, go = {}, {}
            for _ in range(rounds):
                for program, values in ((WEFT, weft), (GO, go))[:2 if has_go else 1]:
                    for name, value in run(program, figure, procs).items():
                        values.setdefault(name, []).append(value)
            for name in weft:
                short += row(name, procs, weft[name], go.get(name))
    print("every target is reached" if not short else f"SHORT of the target: {short} figures")
    return short
