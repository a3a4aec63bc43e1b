"""Bad tokens at full speed beside good ones that are known."""

from __future__ import annotations

import http.server
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from credentials import b64, tampered
from peers import bearerd
from place import Place

from strains.scene import ROUNDS, Fired, Row, Section, at_least, questions, window, worker_of

GOOD_CONNECTIONS, BAD_CONNECTIONS = 64, 16
GOOD_HEADING, BAD_HEADING = 0, 1
GOOD: Final = 1_000  # tokens
BAD: Final = 40_000
LONG: Final = 5_000
LONGEST: Final = 8192  # bytes: limits.max_token_bytes
SEEN: Final = {"401", "403", "503"}
INTRO: Final = f"""{GOOD:,} known tokens on {GOOD_CONNECTIONS} connections and a flood on {BAD_CONNECTIONS}, all as fast as the answers come: a fair share by connections would
leave {GOOD_CONNECTIONS / (GOOD_CONNECTIONS + BAD_CONNECTIONS):.0%}. Windows with and without each flood take turns. The issuer's key set is fetched over HTTP, so that an unknown `kid` is
a reason to ask for it again. One generator sends both, each connection in its turn, so that the two do not fight each other for the
load's core: what is left depends on the worker alone. New bad tokens wait for their turn, and so do those that are too long; who is
refused once more, for a token that is remembered as bad, or for asking with a good one for what it is not good for, stands back."""


def section(place: Place) -> Section:
    """One flood after the other."""
    made = Section("Floods beside good traffic", INTRO)
    keys = _Keys(place.jwks().encode())
    service = bearerd.serve(place, keys=f'jwks_uri = "http://127.0.0.1:{keys.port}/"\ninsecure_issuer = true')
    good = questions(place, "good", place.issuer.tokens(GOOD, "EdDSA"))
    worker = worker_of(service.pid)
    window(place, service.port, worker, good, seconds=60, count=GOOD)
    for what, tokens in _floods(place):
        _flooded(made, place, service, good, questions(place, "flood", tokens, status=0, heading=BAD_HEADING), what)
    keys.end()
    made.rows.append(
        Row("known tokens that were evicted", f"{service.metric('bearerd_token_cache_evictions_total'):.0f}")
    )
    made.rows.append(Row("key sets fetched meanwhile", str(keys.asked)))
    return made


def _flooded(made: Section, place: Place, service: bearerd.Service, good: Path, bad: Path, what: str) -> None:
    worker, alone, beside = worker_of(service.pid), list[Fired](), list[Fired]()
    for _ in range(ROUNDS):
        alone.append(window(place, service.port, worker, good, connections=GOOD_CONNECTIONS))
        flooded = {"beside": bad, "others": BAD_CONNECTIONS, "grace": 10}
        beside.append(window(place, service.port, worker, good, connections=GOOD_CONNECTIONS, **flooded))
        made.wrong += alone[-1].counted.all["wrong"] + beside[-1].counted.all["wrong"]
    statuses: dict[str, int] = {}
    for each in beside:
        for status, count in _of(each, BAD_HEADING)["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    made.wrong += sum(count for status, count in statuses.items() if status not in SEEN)
    told = ", ".join(f"{count:,} × {status}" for status, count in statuses.items())
    rates = [median(_rate(each, GOOD_HEADING) for each in some) for some in (alone, beside)]
    bad_rate = median(_rate(each, BAD_HEADING) for each in beside)
    made.rows += [
        at_least(f"{what}: good answers that are left", rates[1] / rates[0], 0.8),
        Row("… good, without and beside; bad", f"{rates[0]:,.0f}/s, {rates[1]:,.0f}/s; {bad_rate:,.0f}/s ({told})"),
    ]


def _of(fired: Fired, heading: int) -> dict[str, Any]:
    return dict(fired.counted.all["classes"][str(heading)])


def _rate(fired: Fired, heading: int) -> float:
    return float(_of(fired, heading)["answered"]) / fired.counted.seconds


def _floods(place: Place) -> Iterator[tuple[str, Iterator[str] | list[str]]]:
    draw = random.Random(1)
    token = place.token()
    signed, _, _ = token.rpartition(".")
    head, _, payload = signed.partition(".")

    def forged(signed: str, count: int) -> Iterator[str]:
        return (f"{signed}.{b64(draw.randbytes(256))}" for _ in range(count))

    def unknown() -> Iterator[str]:
        for number in range(BAD):
            named = b64(b'{"alg":"RS256","typ":"JWT","kid":"key-%d"}' % number)
            yield f"{named}.{payload}.{b64(draw.randbytes(256))}"

    yield "bad signatures, each another", forged(signed, BAD)
    yield "unknown keys, each another", unknown()
    room = LONGEST - len(head) - 2 - 342
    padded = b64(b'{"pad":"' + b"p" * (room * 3 // 4 - 12) + b'"}')
    yield f"tokens of {len(head) + len(padded) + 344:,} bytes, each another", forged(f"{head}.{padded}", LONG)
    yield "tokens that are a byte too long", ["t" * (LONGEST + 1)]
    yield "one bad token again and again", [tampered(token)]
    yield "a good token that lacks the scope, again and again", [place.issuer.token(scope="orders:none")]


class _Keys:
    """Publishes the key set."""

    def __init__(self, document: bytes) -> None:
        keys = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.asked += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        self.asked = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
