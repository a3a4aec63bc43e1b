"""More than can be answered: hits and new tokens, five times as many a second as there is room for."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from statistics import median
from typing import Final

from hammer import Counted, begin, ended
from peers import bearerd
from place import Place

from strains.scene import (
    AWAKE,
    ROUNDS,
    SECONDS,
    Row,
    Section,
    at_least,
    at_most,
    open_many,
    questions,
    window,
    worker_of,
)

TIMES: Final = 5
HITS: Final = 1_000  # different tokens
NEW: Final = 30_000
CROWDS: Final = (2_000, 9_000)  # connections: twice as many as may wait, and nine times
ALLOWED, OVERLOADED = 200, 503
INTRO: Final = f"""The peak: as fast as the answers come. In turns with it, {TIMES} times as many requests a second are due, whatever the answers do
(what finds no connection free stays due). *Goodput*: right allows a second. What is due comes in smaller pieces than what is asked
as fast as the answers come, and costs more reads and writes; so a third window has just as many due as the peak. Once the flood ends, the next requests count as
recovered when they are answered as quickly as before. New tokens (ES256) come on {CROWDS[0]:,} connections, twice as many as requests may
wait (`limits.max_waiting`), and on {CROWDS[1]:,}; the cache is small, so that every one is new."""


def section(place: Place) -> Section:
    """Hits, then new tokens."""
    open_many()
    made = Section("Overload", INTRO)
    service = bearerd.serve(place)
    hits = questions(place, "hits", place.issuer.tokens(HITS, "EdDSA"))
    _strained(made, place, service, hits, "hits", connections=256, peak_on=256, pipeline=32)
    small = bearerd.serve(place, "bearerd-small", limits=bearerd.SMALL)
    new = questions(place, "new", place.issuer.tokens(NEW // 10, "ES256"), status=0)
    for many in CROWDS:
        _strained(
            made, place, small, new, f"new tokens, {many:,} connections", connections=many, peak_on=64, pipeline=1
        )
    return made


def _strained(
    made: Section,
    place: Place,
    service: bearerd.Service,
    file: Path,
    what: str,
    *,
    connections: int,
    peak_on: int,
    pipeline: int,
) -> None:
    worker = worker_of(service.pid)
    window(place, service.port, worker, file, seconds=60, count=HITS)
    usual = window(place, service.port, worker, file, connections=peak_on).counted.p99
    peaks, due, once, over, said = list[float](), list[float](), list[float](), list[Counted](), None
    for _ in range(ROUNDS):
        peaks.append(window(place, service.port, worker, file, connections=peak_on, pipeline=pipeline).rate)
        due.append(TIMES * median(peaks))
        options = {"connections": connections, "pipeline": pipeline, "grace": 10, "seconds": SECONDS} | AWAKE
        just = ended(begin(service.port, file, place.cores.client, **options, rate=median(peaks)), SECONDS + 10)
        once.append(_of(just, ALLOWED) / just.seconds)
        running = begin(service.port, file, place.cores.client, **options, rate=due[-1])
        if said is None and what != "hits":
            time.sleep(SECONDS / 2)
            said = _refusal(service, place)
        over.append(ended(running, SECONDS + 10))
    recovered = _recovery(place, service, file, min(peaks) / 10, usual)
    made.wrong += sum(each.answered + each.all["wrong"] - _of(each, ALLOWED) - _of(each, OVERLOADED) for each in over)
    made.rows += [
        Row(f"{what}: peak", f"{median(peaks):,.0f}/s"),
        *_rows(over, median(due), median(peaks), median(once)),
    ]
    made.rows.append(at_most("… recovered, s", recovered, 1.0))
    if said is not None:
        made.rows.append(Row("… one that is turned away hears", said))


def _rows(over: list[Counted], due: float, peak: float, once: float) -> list[Row]:
    """Of the windows in which too much was due; each counts until its last answer."""
    answered, allowed, refused = (
        median(count / each.seconds for count, each in zip(some, over, strict=True))
        for some in (
            [each.answered for each in over],
            [_of(each, ALLOWED) for each in over],
            [_of(each, OVERLOADED) for each in over],
        )
    )
    lost, unanswered = (sum(each.all[key] for each in over) for key in ("lost", "unanswered"))
    return [
        Row("… due, answered, answered 503", f"{due:,.0f}/s, {answered:,.0f}/s, {refused:,.0f}/s"),
        at_least("… goodput of the peak", allowed / peak, 0.9),
        Row("… of the goodput where just as many are due as at the peak", f"{allowed / once:.0%} (of {once:,.0f}/s)"),
        Row("… lost or unanswered", f"{lost:,}, {unanswered:,}"),
    ]


def _of(counted: Counted, status: int) -> int:
    return int(counted.all["statuses"].get(str(status), 0))


def _refusal(service: bearerd.Service, place: Place) -> str:
    """What further clients with new tokens are told in the midst of it: the first who is turned away."""
    for _ in range(50):
        said = _asked(service, place.issuer.token("ES256"))
        if not said.startswith("200"):
            return said
    return "nobody was, of 50"


def _asked(service: bearerd.Service, token: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {token}", "X-Original-Method": "GET", "X-Original-URI": "/orders/7"}
        connection.request("GET", "/auth/plain", headers=headers)
        answer = connection.getresponse()
        return f"{answer.status}, Retry-After {answer.headers.get('Retry-After')}"
    except OSError as error:
        return f"nothing within ten seconds ({error})"
    finally:
        connection.close()


def _recovery(place: Place, service: bearerd.Service, file: Path, rate: float, usual: float) -> float:
    """Seconds until requests take no longer than at the peak: windows of a tenth of a second, for ten seconds at most."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < 10:
        counted = ended(begin(service.port, file, place.cores.client, seconds=0.1, rate=rate, connections=64), 5)
        if counted.answered and counted.p50 <= usual:
            break
    return passed
