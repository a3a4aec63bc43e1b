"""What leaves as a log line, and what never does."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bearerd import log
from bearerd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4"


class Pipe:
    """A process's standard error, read back."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def lines(self) -> list[dict[str, Any]]:
        log.close()
        os.set_blocking(self.reading, False)
        try:
            data = os.read(self.reading, 1 << 20)
        except BlockingIOError:
            return []
        return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    pipe = Pipe()
    log.setup(descriptor=pipe.writing)
    yield pipe
    log.close()
    root.handlers[:], root.level = kept, level
    logging.captureWarnings(False)
    os.close(pipe.reading)
    os.close(pipe.writing)


def test_a_record_of_ours_is_one_line_with_its_fields(pipe: Pipe) -> None:
    logging.getLogger("bearerd.issuers").warning("key set fetch failed", extra={"issuer": "dev", "attempt": 3})
    (line,) = pipe.lines()
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "warning", "event": "key set fetch failed", "issuer": "dev", "attempt": 3}


def test_fields_may_have_dotted_names(pipe: Pipe) -> None:
    log.event(logging.getLogger("bearerd.decision"), logging.INFO, "decision", {"http.request.method": "GET"})
    log.event(logging.getLogger("bearerd.decision"), logging.DEBUG, "decision", {"http.request.method": "PUT"})
    (line,) = pipe.lines()
    assert line["event"] == "decision"
    assert line["http.request.method"] == "GET"


def test_a_record_of_another_library_names_its_logger(pipe: Pipe) -> None:
    logging.getLogger("redis.client").error("lost %s", "connection")
    (line,) = pipe.lines()
    assert (line["event"], line["logger"], line["message"]) == ("log", "redis.client", "lost connection")


def test_a_log_call_with_wrong_arguments_keeps_its_line() -> None:
    record = logging.LogRecord("bearerd.x", logging.ERROR, "file.py", 1, "%s and %s", ("one",), None)
    assert json.loads(log.JsonLines().format(record))["event"] == "%s and %s"


@pytest.mark.parametrize(
    "name", ["aiohttp.server", "aiohttp.access", "aiohttp.internal", "aiohttp.web", "aiohttp.client"]
)
def test_aiohttps_records_lose_their_words_and_keep_the_type(pipe: Pipe, name: str) -> None:
    try:
        raise ValueError("Authorization: Bearer canary")
    except ValueError:
        logging.getLogger(name).exception("Error handling %s", "canary", stack_info=True)
    (line,) = pipe.lines()
    assert "canary" not in json.dumps(line)
    assert "ValueError" in line["message"]


def test_an_exception_is_its_type_and_places_never_its_words(pipe: Pipe) -> None:
    try:
        try:
            raise KeyError("canary one")
        except KeyError as error:
            raise RuntimeError("canary two") from error
    except RuntimeError:
        logging.getLogger("bearerd.x").exception("internal error")
    (line,) = pipe.lines()
    assert "canary" not in json.dumps(line)
    assert line["exception"] == "RuntimeError"
    assert "KeyError" in line["places"]
    assert any(place.startswith("tests/test_log.py:") for place in line["places"])


def test_our_own_exceptions_and_system_errors_keep_theirs(pipe: Pipe) -> None:
    assert log.told(StoreError("the store answers READONLY")) == "StoreError: the store answers READONLY"
    assert log.told(ConnectionRefusedError(111, "Connection refused")) == "ConnectionRefusedError: Connection refused"
    assert log.told(ConnectionError("canary")) == "ConnectionError"


def test_a_circle_of_exceptions_ends(pipe: Pipe) -> None:
    one, two = ValueError(), KeyError()
    one.__cause__, two.__cause__ = two, one
    assert log.places(one) == ["KeyError", "ValueError"]


def test_a_suppressed_context_is_not_told() -> None:
    try:
        try:
            raise KeyError
        except KeyError:
            raise ValueError from None
    except ValueError as error:
        assert not any("KeyError" in place for place in log.places(error))


def test_warnings_become_lines(pipe: Pipe) -> None:
    logging.getLogger("py.warnings").warning("%s", "old thing")
    (line,) = pipe.lines()
    assert line["logger"] == "py.warnings"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Bearer {TOKEN}",
        f"authorization: bearer  {TOKEN} end",
        "Authorization=Basic%20Y2xpZW50OnNlY3JldA==",
        r"b'DPoP\x00\x01abcdefghij'",
        "ewogICJhbGciOiAibm9uZSJ9abcd.ewogICJzdWIiOiAiYSJ9abcd.",
        "a" * 65,
        "x" * 990 + " " + TOKEN,
        "x " * 500 + TOKEN,
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    said = log.redact(text)
    for part in (TOKEN[:20], TOKEN[40:60], "Y2xpZW50", "abcdefghij", "ewogICJ", "a" * 60):
        assert part not in said


@pytest.mark.parametrize(
    "text",
    [
        "key set fetch failed: /var/lib/bearerd/keysets/accounts.example.com.json",
        "Bearer without a token",
        "auth.internal.example.com:8443",
        "monkeypatched keysets.registry.Issuers framework_of_things",
        "sha256:0123456789abcdef0123456789abcdef",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert log.redact(text) == text


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789-_", min_size=8, max_size=3000))
def test_no_bearer_value_survives(value: str) -> None:
    assert value not in log.redact(f"header 'Authorization: Bearer {value}' is bad")


@given(st.text(max_size=3000))
def test_a_text_becomes_one_printable_line(text: str) -> None:
    said = log.redact(text)
    assert len(said) <= log.MOST_TEXT + len(log.REDACTED) * log.MOST_TEXT
    said.encode()
    assert not set(said) & set("\x00\r\x1b\x7f\x85\u2028\u2029")


def test_values_that_json_lacks_become_names_of_types() -> None:
    assert log.clean({"a": b"canary", 1: (2.5, None, True), "s": {"x"}, "big": 2**70}) == {
        "a": "<bytes>",
        "1": [2.5, None, True],
        "s": ["x"],
        "big": str(2**70),
    }


def test_a_record_that_cannot_be_written_costs_a_line_and_not_the_program(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(log, "clean", fail)
    logging.getLogger("bearerd.x").error("lost")
    (line,) = pipe.lines()
    assert line["event"] == "a log record could not be written"


def test_a_reader_that_is_slow_holds_nobody_up_and_costs_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_QUEUED", 3)
    reading, writing = os.pipe()
    lines = log.Lines(writing)
    gate = threading.Event()
    started = threading.Event()
    real = lines._write

    def write(data: bytes) -> None:
        started.set()
        gate.wait()
        real(data)

    lines._write = write  # type: ignore[method-assign]
    lines.put(b"first")
    started.wait()
    for number in range(5):
        lines.put(b"%d" % number)
    assert lines.dropped == 2
    gate.set()
    lines.close()
    assert os.read(reading, 100) == b"first\n0\n1\n2\n"
    lines.put(b"after the end")
    assert lines.dropped == 3
    os.close(reading)
    os.close(writing)


def test_a_reader_that_is_gone_costs_lines_only() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    lines = log.Lines(writing)
    lines.put(b"to nobody")
    lines.close()
    assert lines.dropped == 1
    os.close(writing)


def test_a_line_is_whole_where_the_descriptor_does_not_wait() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    lines = log.Lines(writing)
    long = b"x" * 1_000_000  # more than a pipe takes at once
    lines.put(long)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.readline() == long + b"\n"
    lines.close()
    assert lines.dropped == 0
    os.close(writing)


def test_setup_twice_writes_each_line_once(pipe: Pipe) -> None:
    log._lost = 1  # before it
    log.setup(descriptor=pipe.writing)
    assert log.dropped() == 0
    logging.getLogger("bearerd.x").info("once")
    assert len(pipe.lines()) == 1
    assert log.dropped() == 0


async def test_an_exception_nobody_awaited_is_told_without_words(pipe: Pipe) -> None:
    log.on_loop_exception(
        asyncio.get_running_loop(), {"message": "canary", "exception": ValueError("canary"), "handle": "canary"}
    )
    log.on_loop_exception(asyncio.get_running_loop(), {"message": "canary"})
    first, second = pipe.lines()
    assert first["exception"] == "ValueError"
    assert "canary" not in json.dumps([first, second])


@given(st.text("eyJAbrd_0g.% Bé\x00", max_size=90))
@example("eyJ" + "a" * 5)
@example("ey" + "a" * 5)
@example("a" * 64)
@example("a" * 65)
@example("brd_" + "a" * 5)
def test_the_short_way_for_words_and_digests_says_what_the_long_one_does(text: str) -> None:
    assert log.redact(text) == log._CONTROL.sub("?", log._CREDENTIAL.sub(log.REDACTED, text))


def test_names_of_a_strangers_own_are_not_kept() -> None:
    before = log._kept.cache_info().currsize
    long = [f"{number}{' x' * 40}" for number in range(10)]
    assert list(log.clean(dict.fromkeys(long, 1))) == long
    assert log._kept.cache_info().currsize == before


def test_fields_that_are_clean_are_written_as_they_are_and_others_are_not() -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."
    for fields, written in (({"a": token}, "[redacted]"), (log.Clean({"a": "b"}), "b")):
        record = logging.LogRecord("bearerd.x", logging.INFO, "", 0, "said", None, None)
        record.fields = fields
        line = json.loads(log.JsonLines().line(record))
        assert (line["event"], line["a"], line["level"]) == ("said", written, "info")
