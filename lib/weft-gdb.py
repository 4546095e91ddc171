"""weft's coroutines in gdb, of a running program or of a core dump:

    info coroutines             lists all of them: state, what they wait for, where
    coroutine ID COMMAND        runs a command of gdb in a coroutine: `coroutine 3 bt`
    coroutine all COMMAND       in each of them

gdb loads this file by itself where libweft.so is installed below /usr, else
`source PREFIX/share/weft/weft-gdb.py`. It needs the debug information of libweft. Nothing runs in
the program and none of its memory is written: a coroutine's frames are found by an unwinder."""
import time

import gdb
import gdb.unwinder

COLOURS, COLOUR_STEP, LINE = 8, 128, 64  # as coro_at in lib/rt/coro.c
LISTED_WITH_FRAMES = 10000
OWN = ("coro_", "waiter_", "wait_locked", "context_", "lock_slow", "leave", "poll_wait")

# Where context_switch keeps the registers, from a saved stack pointer up: lib/rt/switch_*.S.
SAVED = {
    "i386:x86-64": {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48},
    "aarch64": {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88},
}
FRAME_BYTES = {"i386:x86-64": 56, "aarch64": 160}
STACK_REGISTER = {"i386:x86-64": "rsp", "aarch64": "sp"}


def runtime():
    """The runtime's one struct; an error when no runtime runs."""
    try:
        rt = gdb.parse_and_eval("'run.c'::rt")
    except gdb.error:
        try:
            rt = gdb.parse_and_eval("rt")
        except gdb.error as e:
            raise gdb.GdbError("libweft's debug information is not there") from e
    if int(rt["state"]) == 0:
        raise gdb.GdbError("no weft_run is running")
    return rt


def enum_text(kind, value):
    """The name of an enum's value, as a person would say it."""
    for field in gdb.lookup_type(f"enum {kind}").fields():
        if field.enumval == value:
            return field.name.split("_", 1)[1].lower()
    return str(value)


def coroutines():
    """All control blocks that are in use."""
    coro = gdb.lookup_type("struct coro")
    block = (coro.sizeof + LINE - 1) // LINE * LINE
    stacks = runtime()["stacks"]
    first, last = stacks.type.range()
    for i in range(first, last + 1):
        log, slab = int(stacks[i]["size_log"]), stacks[i]["slabs"]
        end = int(stacks[i]["fresh"])
        while slab:
            base = int(slab["base"])
            end = end or base + int(slab["bytes"])
            for low in range(base, end, 1 << log):
                at = low + (1 << log) - (low >> log) % COLOURS * COLOUR_STEP - block
                c = gdb.Value(at).cast(coro.pointer()).dereference()
                if int(c["state"]) != 0:
                    yield c
            slab, end = slab["next"], 0


def architecture():
    return gdb.selected_inferior().architecture().name()


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class CoroutineUnwinder(gdb.unwinder.Unwinder):
    """While `saved_sp` is set, what called the thread's newest frame is the coroutine that was
    left at that stack pointer."""

    def __init__(self):
        super().__init__("weft coroutine")
        self.saved_sp = self.thread_sp = None

    def __call__(self, pending):
        if self.saved_sp is None:
            return None
        name = architecture()
        sp = pending.read_register(STACK_REGISTER[name])
        if int(sp) != self.thread_sp:
            return None
        pointer = gdb.lookup_type("unsigned long")
        pc = pending.read_register("pc" if name == "aarch64" else "rip")
        # gdb insists that callers' frames are higher up, so this one says that it is right below.
        below = gdb.Value(self.saved_sp - 16).cast(pointer)
        info = pending.create_unwind_info(FrameId(below, pc))
        for register, offset in SAVED[name].items():
            word = gdb.Value(self.saved_sp + offset).cast(pointer.pointer()).dereference()
            info.add_saved_register(register, word)
        info.add_saved_register(STACK_REGISTER[name],
                                gdb.Value(self.saved_sp + FRAME_BYTES[name]).cast(pointer))
        return info


UNWINDER = CoroutineUnwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


class Inside:
    """The selected thread as if a parked coroutine had called its newest frame."""

    def __init__(self, c):
        self.saved_sp = int(c["sp"])

    def __enter__(self):
        self.frame = gdb.selected_frame()
        newest = gdb.newest_frame()
        UNWINDER.thread_sp = int(newest.read_register(STACK_REGISTER[architecture()]))
        UNWINDER.saved_sp = self.saved_sp
        gdb.invalidate_cached_frames()
        return gdb.newest_frame().older()

    def __exit__(self, *_):
        UNWINDER.saved_sp = UNWINDER.thread_sp = None
        gdb.invalidate_cached_frames()


def thread_of(c):
    """The thread that runs a coroutine, or None."""
    low, size = int(c["low"]), 1 << int(c["size_log"])
    selected, found = gdb.selected_thread(), None
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        sp = int(gdb.newest_frame().read_register(STACK_REGISTER[architecture()]))
        if low <= sp < low + size:
            found = thread
    selected.switch()
    return found


def place(address):
    """function at file:line of an address."""
    block = gdb.block_for_pc(address)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(address)
    name = block.function.name if block else hex(address)
    return f"{name} at {line.symtab.filename}:{line.line}" if line.symtab else name


def parked_at(c):
    """Where a parked coroutine waits: the first frame that is not the runtime's own."""
    with Inside(c) as frame:
        while frame and frame.is_valid():
            name = frame.name() or ""
            if not name.startswith(OWN) and not name.startswith("weft_"):
                return place(frame.pc() - 1)
            frame = frame.older()
    return "?"


def age(c):
    """How long it has been parked; nothing for a core dump, in which no clock runs."""
    connection = gdb.selected_inferior().connection
    if connection is None or connection.type != "native":
        return ""
    ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - int(c["since"])
    return f" for {ns // 1000000} ms" if ns < 1000000000 else f" for {ns // 1000000000} s"


def describe(c, with_frames):
    state = enum_text("coro_state", int(c["state"]))
    name = f' "{c["name"].string()}"' if c["name"] else ""
    text = f"{int(c['id']):>6}{name}  {state}"
    if state == "parked":
        text += f" in {enum_text('wait_reason', int(c['wait_reason']))}{age(c)}"
        if with_frames:
            text += f", {parked_at(c)}"
    elif state == "running":
        thread = thread_of(c)
        text += f" in thread {thread.num}" if thread else ""
    return f"{text}; spawned by {place(int(c['spawned_at']) - 1)}"


class InfoCoroutines(gdb.Command):
    """Lists weft's coroutines: id, name, state, what each waits for and where, who spawned it."""

    def __init__(self):
        super().__init__("info coroutines", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        count = 0
        for c in coroutines():
            print(describe(c, count < LISTED_WITH_FRAMES))
            count += 1
        print(f"{count} coroutines")


class Coroutine(gdb.Command):
    """coroutine ID COMMAND: runs a command in weft's coroutine ID, or in `all` of them.

    `info coroutines` tells the ids. Example: coroutine 3 bt"""

    def __init__(self):
        super().__init__("coroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, _from_tty):
        words = argument.split(None, 1)
        if len(words) < 2 or not (words[0].isdigit() or words[0] == "all"):
            raise gdb.GdbError("usage: coroutine ID COMMAND, coroutine all COMMAND")
        found = False
        for c in coroutines():
            if words[0] == "all":
                print(f"\n{describe(c, False)}")
            elif int(c["id"]) != int(words[0]):
                continue
            found = True
            self.run(c, words[1])
        if not found:
            raise gdb.GdbError(f"there is no coroutine {words[0]}")

    @staticmethod
    def run(c, command):
        state = enum_text("coro_state", int(c["state"]))
        if state == "ready":
            print("it has not run yet")
        elif state == "parked":
            with Inside(c) as frame:
                frame.select()
                text = gdb.execute(command, to_string=True)
            # The newest frame is the thread's, not the coroutine's.
            print("\n".join(l for l in text.rstrip().split("\n") if not l.startswith("#0 ")))
        else:
            selected, thread = gdb.selected_thread(), thread_of(c)
            if thread:
                thread.switch()
            gdb.execute(command)
            selected.switch()


InfoCoroutines()
Coroutine()
