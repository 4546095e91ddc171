#!/usr/bin/env python3
"""run.py: adversaries of the server, each bounded and answered right while honest clients go on.

    run.py WEFT

For each: its own verdict (what it must be answered), the honest clients' median latency beside the
quiet one, the worker's memory at its highest, and that connections, coroutines and descriptors are
given back afterwards."""
import asyncio
import os
import re
import statistics
import sys
import time
import urllib.request

os.environ["WEFT_BIN"] = os.path.abspath(sys.argv[1])
sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server")]

from running import Supervised, free_port, until  # noqa: E402

ADMIN = free_port()
SITE = f"""
listen: [ "127.0.0.1:PORT" ]
threads: 2
log: {{ access: off }}
timeouts: {{ header: 1s, body: 1s, idle: 2s, write: 2s }}
limits: {{ connections: 4000, connections_per_client: 3000 }}
admin: {{ listen: "127.0.0.1:{ADMIN}" }}
routes:
  - {{ path: /ping, respond: {{ body: "one" }} }}
  - {{ path: /echo, handler: echo }}
  - {{ path: /plaintext, handler: plaintext }}
  - {{ path: /files, static: ./www }}
"""
MEMORY_MAX = 256 << 20  # of the worker, whatever is done
TRIES = 3               # of the latency's comparison: the machine may be busy with other things
BIG = 8 << 20
HALF_OPEN = 800
GET = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


class Server(Supervised):
    def rss(self):
        with open(f"/proc/{self.workers()[0]}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.workers()[0]}/fd"))

    @staticmethod
    def connections():
        with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return float(re.search(r"^weft_http_connections(?:\{.*\})? (\S+)$", text, re.M)[1])


async def dial():
    return await asyncio.open_connection("127.0.0.1", server.port)


async def rest(reader):
    """All that comes until the end, by close or reset."""
    data = b""
    try:
        while part := await asyncio.wait_for(reader.read(1 << 16), 30):
            data += part
    except ConnectionError:
        pass
    return data


async def talk(data, is_half_closed=False):
    """Sends data; gives all that comes back until the server closes."""
    reader, writer = await dial()
    try:
        writer.write(data)
        if is_half_closed:
            writer.write_eof()
        return await rest(reader)
    finally:
        writer.transport.abort()


async def drip(data, piece):
    """Sends data piece by piece, never pausing long, until the server has enough of it."""
    reader, writer = await dial()
    answer = asyncio.ensure_future(rest(reader))
    begun = time.monotonic()
    for i in range(0, len(data), piece):
        if answer.done():
            break
        try:
            writer.write(data[i:i + piece])
            await writer.drain()
        except ConnectionError:
            break
        await asyncio.sleep(0.1)
    data = await answer
    writer.transport.abort()
    return data, time.monotonic() - begun


def status(answer):
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


def must(claim, what):
    if not claim:
        raise AssertionError(what)


# ---- the adversaries ----


async def slow_headers():
    head = b"GET /ping HTTP/1.1\r\nHost: x\r\n" + b"X-Slow: aaaaaaaaaa\r\n" * 90
    for answer, _ in await asyncio.gather(*(drip(head, 3) for _ in range(100))):
        must(status(answer) in (408, None), f"slow head: {answer[:60]!r}")


async def slow_bodies():
    data = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc"
    for answer in await asyncio.gather(*(talk(data) for _ in range(100))):
        must(status(answer) in (408, None), f"slow body: {answer[:60]!r}")


async def slow_readers():
    async def one():
        reader, writer = await dial()
        reader._transport.pause_reading()
        writer.write(b"GET /files/big HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(4)
        writer.transport.abort()
    await asyncio.gather(*(one() for _ in range(100)))


async def half_open():
    pairs = []
    for _ in range(HALF_OPEN):
        pairs.append(await dial())
        pairs[-1][1].write(b"GET /pi")
    for answer in await asyncio.gather(*(rest(reader) for reader, _ in pairs)):
        must(status(answer) in (408, None), f"half-open: {answer[:60]!r}")
    for _, writer in pairs:
        writer.transport.abort()


async def reset_at_every_byte():
    for data in (GET, POST):
        for end in range(len(data) + 1):
            _, writer = await dial()
            writer.write(data[:end])
            await asyncio.sleep(0)
            writer.transport.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()


async def half_close():
    must(status(await talk(GET, True)) == 200, "a half-closed client is answered")
    for end in range(1, len(POST)):
        answer = await talk(POST[:end], True)
        must(status(answer) in (400, 408, None), f"cut at {end}: {answer[:60]!r}")


async def pipelining():
    count = 20000
    answers = await talk(GET * count, True)
    must(answers.count(b"HTTP/1.1 200") == count, "each of a flood is answered")


async def header_bombs():
    for bomb in (b"X: " + b"a" * (1 << 20), b"a" * (1 << 20), b"X-A: b\r\n" * 5000):
        answer = await talk(b"GET /ping HTTP/1.1\r\nHost: x\r\n" + bomb + b"\r\n\r\n")
        must(status(answer) in (400, 431, None), f"header bomb: {answer[:60]!r}")
    answer = await talk(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    must(status(answer) in (414, 431, None), f"target bomb: {answer[:60]!r}")


async def body_bombs():
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
    answer = await talk(head + b"Content-Length: 99999999999\r\n\r\n")
    must(status(answer) == 413, f"a body announced too large: {answer[:60]!r}")
    answer = await talk(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1500000)
    must(status(answer) in (413, None), f"a body grown too large: {answer[:60]!r}")


async def many_ranges():
    for count in (2, 100, 1000):
        ranges = b",".join(b"%d-%d" % (i, i + 1) for i in range(0, 4 * count, 4))
        answer = await talk(b"GET /files/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            b"Range: bytes=" + ranges + b"\r\n\r\n")
        must(status(answer) in (200, 206, 416, 431), f"{count} ranges: {answer[:60]!r}")
        must(len(answer) <= BIG + 65536, f"{count} ranges are answered with {len(answer)} bytes")


async def colliding_names():
    query = b"&".join(b"k%d=v" % (i % 7) for i in range(2000))
    answer = await talk(b"GET /echo?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        + b"".join(b"X-%d: v\r\n" % (i % 7) for i in range(90)) + b"\r\n")
    must(status(answer) in (200, 414, 431), f"names alike: {answer[:60]!r}")


async def slowhttptest():
    """Debian's: slow heads, slow bodies, ranges, slow reading."""
    for mode, path in (("-H", "ping"), ("-B", "echo"), ("-R", "files/big"), ("-X", "files/big")):
        process = await asyncio.create_subprocess_exec(
            "slowhttptest", mode, "-c", "300", "-r", "300", "-l", "4", "-i", "1", "-p", "3", "-u",
            f"http://127.0.0.1:{server.port}/{path}", stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        told = re.findall(rb"service available:\S*\s+(?:\x1b\[[0-9;]*m)*(\w+)", out)
        must(told and told[-1] == b"YES", f"slowhttptest {mode}: {out[-400:]!r}")


ADVERSARIES = [slow_headers, slow_bodies, slow_readers, half_open, reset_at_every_byte, half_close,
               pipelining, header_bombs, body_bombs, many_ranges, colliding_names, slowhttptest]


# ---- the honest clients, and the verdicts ----


async def honest(seconds, until_done=None):
    """Median latency in seconds of a client that asks again and again for so long."""
    times, end = [], time.monotonic() + seconds
    reader, writer = await dial()
    while time.monotonic() < end and not (until_done and until_done.done() and len(times) > 50):
        begun = time.monotonic()
        writer.write(GET)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        await reader.readexactly(3)
        must(status(head) == 200, f"honest: {head[:60]!r}")
        times.append(time.monotonic() - begun)
        await asyncio.sleep(0.005)
    writer.transport.abort()
    return statistics.median(times)


async def beside(adversary):
    """Runs it beside an honest client; gives the client's median and the highest memory."""
    quiet = await honest(1)
    task = asyncio.ensure_future(adversary())
    highest = [server.rss()]

    async def watch():
        while not task.done():
            highest[0] = max(highest[0], server.rss())
            await asyncio.sleep(0.05)
    loud, _ = await asyncio.gather(honest(30, task), watch())
    await task
    return quiet, loud, highest[0]


def given_back(descriptors):
    # the question itself may be one connection
    until(lambda: server.connections() <= 1, "connections are given back")
    until(lambda: server.descriptors() <= descriptors + 4, "descriptors are given back")


def try_one(adversary):
    """Whether it is borne. The client and the adversary share this process, which adds to what the
    client measures: a latency under a few milliseconds is never held against the server."""
    before, worker = server.descriptors(), server.workers()
    for left in reversed(range(TRIES)):
        quiet, loud, memory = asyncio.run(beside(adversary))
        given_back(before)
        is_quick = loud <= max(2 * quiet, 0.005)
        if is_quick or not left:
            break
    print(f"{adversary.__name__:20} median {quiet * 1e6:6.0f} us quiet, "
          f"{loud * 1e6:6.0f} us beside; "
          f"memory {memory / 2**20:5.1f} MB at most, {server.rss() / 2**20:5.1f} MB after",
          flush=True)
    must(server.workers() == worker, "the worker lives on")
    must(memory < MEMORY_MAX, f"memory of {memory} bytes")
    must(is_quick, "honest clients wait more than twice as long")


server = Server(SITE, [("www/big", "0123456789abcdef" * (BIG // 16))]).start()
failed = []
try:
    asyncio.run(honest(0.5))
    for each in ADVERSARIES:
        try:
            try_one(each)
        except (AssertionError, OSError, asyncio.TimeoutError, EOFError) as error:
            failed.append(each.__name__)
            print(f"{each.__name__:20} FAILED: {type(error).__name__}: {error}", flush=True)
finally:
    server.stop()
sys.exit(1 if failed else 0)
