"""The native tables without memory: an insertion may fail, and nothing that was known is lost or doubled by it.

A library put before libc refuses what the tables ask for, now and then (by the sizes that only they ask for).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REFUSING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

static unsigned state = 12345;
static int share;  /* of 100 */
static long refused;
static size_t answers;  /* of a token with its long answer */

void answers_take(size_t n) { answers = n; }
void refuse(int of_100) { share = of_100; }
long how_many_were_refused(void) { return refused; }

static int unlucky(void) {
    state = state * 1103515245u + 12345u;
    if ((int)(state >> 16) % 100 >= share) return 0;
    refused++;
    return 1;
}

void *aligned_alloc(size_t alignment, size_t n) {
    static void *(*real)(size_t, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "aligned_alloc");
    return n == 1024 * 33 && share && unlucky() ? 0 : real(alignment, n);
}

void *calloc(size_t many, size_t each) {  /* a directory of segments */
    extern void *__libc_calloc(size_t, size_t);  /* dlsym itself may ask */
    return each == sizeof(void *) && share && unlucky() ? 0 : __libc_calloc(many, each);
}

void *realloc(void *held, size_t n) {
    static void *(*real)(void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "realloc");
    return n >= 16385 && n < 40000 && share && unlucky() ? 0 : real(held, n);
}

void *malloc(size_t n) {
    static void *(*real)(size_t);
    if (!real) real = dlsym(RTLD_NEXT, "malloc");
    return (n == 256 * 88 || n == 1024 * 4 || n == 777 || n == answers) && share && unlucky() ? 0 : real(n);
}
"""

SCRIPT = """
import asyncio, contextlib, ctypes, random, sys
libc = ctypes.CDLL(sys.argv[1])
from bearerd._native.generations import Generations
from bearerd._native.revocations import FOREVER, Revocations, pack
from bearerd._native.tokens import Found, TokenCache
from bearerd._native.digest import keyed128
from support.bay import OK, Bay, ask

def revocations(chance):
    table, until, now, failures = Revocations(1 << 20), {}, 0, 0
    for step in range(60):
        libc.refuse(60)
        if chance.random() < 0.7:
            new = {chance.randbytes(16): now + chance.randrange(1, 6) for _ in range(chance.randrange(1, 300))}
            entries = b"".join(pack(key, FOREVER, expiry, 1) for key, expiry in new.items())
            try:
                table.apply(entries, now)
            except MemoryError:
                failures += 1
                libc.refuse(0)
                table.apply(entries, now)  # again, as a reader does whose position did not move
            until.update(new)
        else:
            now += chance.randrange(3)
            table.expire(now, chance.randrange(3000))
        libc.refuse(0)
        live = {key for key, expiry in until.items() if expiry > now}
        exported = table.export(now)
        assert len(exported) == 32 * len(live)
        assert {exported[i : i + 16] for i in range(0, len(exported), 32)} == live
        for key in list(until)[-300:]:
            assert (table.revoked(key, 0, now) == 0) == (key in live)
    return failures

def tokens():
    cache, generations, table = TokenCache(5000, 1 << 30), Generations(), Revocations(10)
    libc.refuse(50)
    for number in range(6000):
        cache.put(b"%d" % number, bytes(777), 0, 0, 0, 0, 10.0, 10.0, b"")
    libc.refuse(0)
    found = [cache.find(b"%d" % number, 1.0, 1.0, generations, table) for number in range(6000)]
    hits = [record for verdict, record in found if verdict is Found.HIT]
    assert set(hits) == {bytes(777)}
    assert len(hits) == cache.entries < 5000
    assert cache.longest_chain() < 30

def answers():
    # Where a prepared answer gets no room, the one before it stands.
    bay, long = Bay(entries=3000, size=1 << 28), OK + b"X: " + b"y" * 5000 + b"\\r\\n"
    libc.answers_take(ctypes.c_size_t(len(b"record") + 2 + (32 + 8 + len(long) + 7) // 8 * 8))
    for number in range(1000):
        name = b"%d" % number
        bay.know(name)
        bay.prepare(name)
        libc.refuse(50)
        with contextlib.suppress(MemoryError):  # of a connection that got none to begin with
            bay.prepare(name, head=long)
        libc.refuse(0)
        line = bay.open()
        line.feed(ask(name))
        assert line.sent.startswith(OK), line.sent
        assert bay.cache.record_of(keyed128(name), len(name)) == b"record"
        assert not bay.asked
    assert bay.cache.entries == 1000
    assert 1000 * 1500 < bay.cache.bytes < 1000 * 4500, bay.cache.bytes

def buffers():
    # Where the answers of one read get no room, none of them is sent, and the connection ends.
    ended = 0
    for _ in range(100):
        bay = Bay()
        bay.know(b"good")
        bay.prepare(b"good", head=OK + b"X: " + b"y" * 900 + b"\\r\\n")
        line = bay.open()
        libc.refuse(50)
        line.feed(ask(b"good") * 10)
        libc.refuse(0)
        assert line.sent.count(b"HTTP/1.1 200") == (0 if line.aborted else 10)
        ended += line.aborted
        other = bay.open()
        other.feed(ask(b"good"))
        assert other.sent.count(b"HTTP/1.1 200") == 1
    assert 10 < ended < 90, ended

async def lane():
    answers()
    buffers()

failures = sum(revocations(random.Random(seed)) for seed in range(8))
tokens()
asyncio.run(lane())
print(failures, libc.how_many_were_refused())
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.skipif(hasattr(ctypes.CDLL(None), "__asan_init"), reason="a sanitizer's allocator stands before this one")
def test_a_table_that_gets_no_memory_loses_nothing(tmp_path: Path) -> None:
    source, library = tmp_path / "refusing.c", tmp_path / "refusing.so"
    source.write_text(REFUSING)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, library],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    failures, refused = map(int, run.stdout.split())
    assert failures > 0
    assert refused > 1000
