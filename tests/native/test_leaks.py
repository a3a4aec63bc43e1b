"""No native table keeps memory that it does not own up to, and none loses a Python object.

Counted where the memory comes from: glibc tells how much ``malloc`` has given out, ``tracemalloc`` what Python holds.  The
scripts run in processes of their own, so that nothing else allocates meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None)
pytestmark = [
    pytest.mark.skipif(not hasattr(_libc, "mallinfo2"), reason="needs glibc 2.33 or newer"),
    pytest.mark.skipif(hasattr(_libc, "__asan_init"), reason="a sanitizer puts an allocator of its own before glibc's"),
]

HARNESS = '''
import ctypes, gc, sys, tracemalloc

libc = ctypes.CDLL(None)

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p

def native():
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd

def python():
    return tracemalloc.get_traced_memory()[0]

def growth(held, rounds, action):
    """Bytes a round, after those in which buffers and caches find their size."""
    for _ in range(12):
        action()
    gc.collect()
    before = held()
    for _ in range(rounds):
        action()
    gc.collect()
    return (held() - before) / rounds

def leaks(rounds, action):
    first = growth(native, rounds, action)
    tracemalloc.start()  # only now: it allocates, too
    return first, growth(python, rounds, action)

from bearerd._native.counters import COUNTER, HISTOGRAM, Page, read
from bearerd._native.digest import keyed128
from bearerd._native.generations import Generations
from bearerd._native.hosts import Hosts, normal
from bearerd._native.refused import RefusedTokens
from bearerd._native.revocations import FOREVER, Full, Revocations, pack, unpack
from bearerd._native.tokens import TokenCache

from support.bay import OK, Bay, ask

KEYS = [keyed128(b"%d" % number) for number in range(3000)]

def refused(call, *arguments):
    try:
        call(*arguments)
    except Exception:
        return
    raise AssertionError("accepted")

def hosts():
    some = Hosts([("h%d.test" % number, ["/v1/*", "/v2/**"] if number % 2 else None, number) for number in range(200)])
    refused(Hosts, [("a", ["no path"], 0)])
    refused(Hosts, [("a", None)])
    for number in range(200):
        for path in (b"/v1/x", b"/v2", b"/v2/..", None):
            some.find(b"H%d.TEST.:80" % number, path)
        some.find(b"nobody", None), some.find(b"a, b", b"/"), some.find(None, b"/")
    refused(some.find, "text", None)
    normal(b"Host.:80"), normal(b"a b")

def generations():
    some = Generations()
    for issuer in (0, 5, 300, 65535):
        some.bump_key_set(issuer)
    refused(some.key_set, -1)

def revocations():
    table = Revocations(2000)
    for number, key in enumerate(KEYS[:1500]):
        table.apply(pack(key, FOREVER, 10 + number % 5, number), 0)
        table.apply(pack(key, 0, FOREVER, number + 1), 0)
    refused(table.apply, b"".join(pack(key, FOREVER, 20, 1) for key in KEYS), 0)
    refused(table.apply, bytes(31), 0)
    refused(pack, b"short", 0, 0, 0)
    table.revoked(b"".join(KEYS[:7]), 1 << 70, 5)
    position = 0
    while True:
        _, position = table.page(5, position, 100)
        if not position:
            break
    unpack(table.export(5)[:32])
    for now in range(10, 20):
        table.expire(now, 700)

def tokens(clears=True):
    cache, some, table = TokenCache(1000, 200_000, lambda record, generation: [record]), Generations(), Revocations(10)
    for number, key in enumerate(KEYS):
        cache.put(key, bytes(number % 300), 0, 0, 0, 0, 10.0, 10.0, key * (number % 5))
        cache.find(KEYS[number // 2], 5.0, 5.0, some, table)
        cache.find(b"nobody", 5.0, 5.0, some, table)
    table.apply(pack(KEYS[-1], FOREVER, FOREVER, 1), 0)
    for key in KEYS[-20:]:
        cache.find(key, 5.0, 5.0, some, table)
        cache.drop(key)
    refused(cache.put, b"token", b"record", -1, 0, 0, 0, 1.0, 1.0, b"")
    cache.find(KEYS[-30], 10.0, 5.0, some, table)
    some.config += 1
    cache.find(KEYS[-31], 5.0, 5.0, some, table)
    large = TokenCache(1 << 20, 1 << 30)
    for key in KEYS:
        large.put(key, b"", 0, 0, 0, 0, 10.0, 10.0, b"")
    if clears:
        large.clear()
        cache.clear()
        cache.put(b"token", b"record", 0, 0, 0, 0, 1.0, 1.0, b"")

def refused_tokens():
    table = RefusedTokens(500)
    for number, key in enumerate(KEYS):
        table.put(key, number, 10.0, 0)
        table.find(key, 5.0, 0)
    refused(table.put, b"token", -1, 0.0, 0)
    refused(RefusedTokens, 0)

def counters():
    buffer = bytearray(4096)
    page = Page(buffer)
    cell = page.series(b"histogram", HISTOGRAM, (1.0, 2.0))
    page.observe(cell, 1.5)
    for number in range(60):
        page.add(page.series(b"%d" % number, COUNTER))
    refused(page.series, b"large", HISTOGRAM, [float(number) for number in range(900)])
    refused(page.series, b"histogram", COUNTER)
    refused(page.add, 999)
    refused(Page, bytearray(3))
    refused(Page, b"cannot be written")
    read(buffer)
    Page(buffer)

def judged():
    from bearerd._native import claims, probes, sha256
    terms = claims.Terms(frozenset({"jwt"}), False, ("exp", "iat"), 30.0, 3600.0, ("scope",), ("realm.roles", "none.at.all"))
    for number in range(200):
        said = {"exp": 1100.5, "iat": 990 + number, "aud": ["a", "b"], "scope": "a b", "realm": {"roles": ["x", 1]}}
        said |= {"client_id": "c%d" % number} if number % 2 else {"typ": "ID"} if number % 3 else {"aud": [1]}
        terms.fault(said, {"typ": "JWT"}, 1000.0)
        claims.client(said), claims.audience(said), terms.scopes(said), terms.roles(said)
        probes.probes("iss", "t%d" % number, bytes(32), "sub", None, "client", "key")
        refused(probes.key, 1, "iss", "\\ud800")
        refused(probes.probes, "iss", None, b"short", None, None, None, None)
        sha256.sha256(bytes(number))

class Transport:
    """Takes everything, and is nobody's."""

    def get_extra_info(self, name):
        return ("127.0.0.1", 1)

    def write(self, data): pass
    def close(self): pass
    def is_closing(self): return False
    abort = pause_reading = resume_reading = close
    def set_protocol(self, protocol): pass

class Sinks(Bay):
    def handler(self):
        return Transport()

Transport.connection_made = lambda self, transport: None
Transport.data_received = lambda self, data: None

def connected(bay):
    from bearerd._native.connection import Connection
    made = Connection(bay.lane, bay)
    made.connection_made(Transport())
    return made

def lane():
    bay = Sinks((None, "/a", False), (["POST"], None, False), size=100_000)
    for number in range(60):
        name = b"t%d" % number
        bay.know(name, bytes(number))
        made = connected(bay)
        made.data_received(ask(name))
        for size in (number, 3 * number, number % 7):
            made.prepare(bay.route, number % 2, 1e18, 1e18, OK + b"X: " + b"y" * size)
        made.data_received(ask(name) * 3)
        made.connection_lost(None)
    bay.refuse(b"bad")
    bay.lane.log_allows = 1.0
    made = connected(bay)
    made.data_received(ask(b"bad") * 100 + ask(b"t59") * 500 + ask(b"nobody")[:30])
    made.check(1e9)
    waits = connected(bay)
    waits.data_received(ask(b"waits") + ask(b"t59"))
    waits.owes()
    waits.question()
    waits.reply(OK, b"")
    waits.pause_writing()
    waits.data_received(ask(b"t59"))
    waits.resume_writing()
    waits.data_received(b"GET /other HTTP/1.1\\r\\n")
    bay.lane.drained()
    bay.lane.ring.find(bytes(16))
    bay.now = RuntimeError("a fault")
    bay.know(b"known")
    fails = connected(bay)
    try:
        fails.data_received(ask(b"t59") + ask(b"known"))
    except RuntimeError:
        pass
    fails.connection_lost(None)
'''

# Bytes a round.  A leak of one object in a round is at least 16, and of one allocation 32, with what malloc writes beside it.
LEAST_LEAK = 16
LEAST_CHUNK = 32
ROUNDS = 40  # what is allocated once, late (some have seen 1,040 bytes), is less in each than a leak


# Without them malloc keeps freed chunks aside and counts them as given out.
TESTS = str(Path(__file__).parent.parent)
EXACT = {**os.environ, "PYTHONPATH": TESTS, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"}


def leaks(native: float, python: float) -> bool:
    """Whether so much, in a round, is a leak."""
    return native >= LEAST_CHUNK or python >= LEAST_LEAK


def measured(action: str) -> tuple[float, float]:
    """Bytes by which ``malloc``'s and Python's holdings grow in a round of ``action``."""
    script = HARNESS + textwrap.dedent(action) + f"\nprint(*leaks({ROUNDS}, act))"
    run = subprocess.run([sys.executable, "-c", script], env=EXACT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    native, python = map(float, run.stdout.split())
    return native, python


@pytest.mark.parametrize(
    "table", ["generations", "hosts", "revocations", "tokens", "refused_tokens", "counters", "judged", "lane"]
)
def test_a_table_that_was_used_and_dropped_leaves_nothing(table: str) -> None:
    # What is allocated once, by whoever comes to it late, is no leak: a leak is there each time.
    grown = [measured(f"act = {table}")]
    while leaks(*grown[-1]) and len(grown) < 3:
        grown.append(measured(f"act = {table}"))
    assert not leaks(*grown[-1]), grown


def test_a_full_cache_is_freed_with_its_owner() -> None:
    assert not leaks(*measured("act = lambda: tokens(clears=False)"))


LEAKS = {
    "a native allocation": "def act():\n    tokens()\n    libc.malloc(24)",
    "a Python object": "kept = []\ndef act():\n    tokens()\n    kept.append(bytearray(3))",
    "a reference": """
        def act():
            record = bytes(300)
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(record))
        """,
    "a whole table": "kept = []\ndef act():\n    kept.append(RefusedTokens(8))",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_detector_finds_a_leak(leak: str) -> None:
    assert leaks(*measured(LEAKS[leak]))


TOLD = """
import sys
kept = []
some, table = Generations(), Revocations(1 << 20)
cache = TokenCache(1 << 20, 1 << 30)
token = [b"%d" % number for number in range(20_000)]
records = [bytes(number % 1500) for number in range(20_000)]
entries = [pack(keyed128(name), FOREVER, 10, 1) for name in token]
start = native()
for name, record in zip(token, records):
    cache.put(name, record, 0, 0, 0, 0, 10.0, 10.0, KEYS[0])
middle = native()
for entry in entries:
    table.apply(entry, 0)
print(middle - start, cache.memory(), native() - middle, table.memory())
"""


def test_what_the_tables_say_they_hold_is_what_malloc_gave_them() -> None:
    run = subprocess.run([sys.executable, "-c", HARNESS + TOLD], env=EXACT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    cache, cache_says, table, table_says = map(int, run.stdout.split())
    assert abs(cache - cache_says) < 0.01 * cache
    assert abs(table - table_says) < 0.1 * table  # alignment to cache lines: what a segment is set apart by
