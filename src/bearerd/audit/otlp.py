"""Audit records as OTLP logs: imported only where ``[audit]`` names this sink, for the packages are an extra."""

from __future__ import annotations

import logging
import os
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import requests
from google.protobuf.message import DecodeError
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from bearerd import __version__
from bearerd.audit.collector import Session
from bearerd.audit.feeder import RETRY_SECONDS, NotTaken

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where one is named, the exporter sends by that one's session, which is bounded by nothing of ours.
_PROVIDERS: Final = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)
MOST_RETRY_SECONDS: Final = 5.0  # between two attempts, where the collector does not ask for more
MOST_ASKED_SECONDS: Final = 60.0  # of what it asks for: who says a year by mistake must not have us refuse for one
_LOGGER: Final = logging.getLogger("bearerd.audit")


class _TooLarge(Exception):
    """So many lines at once; fewer may be taken."""


class OtlpSink:
    """The body of a log record is the line as it is: what the collector keeps can be verified, if it keeps the text."""

    name = "otlp"

    def __init__(self, endpoint: str | None) -> None:
        """``endpoint``: None leaves it, as headers and certificates, to OpenTelemetry's own environment variables."""
        own = not any(os.environ.get(name) for name in _PROVIDERS)
        self._session = Session(_receipt) if own else None
        self._exporter = OTLPLogExporter(endpoint=endpoint, session=self._session)
        self._resource = Resource.create({"service.name": "bearerd", "service.version": __version__})
        self._scope = InstrumentationScope("bearerd.audit", __version__)
        self._failures = 0  # since something was taken
        self._taken = 0  # lines of the batch at hand
        self._most: int | None = None  # bytes in a request, once one was too large

    def write(self, lines: Sequence[bytes]) -> None:
        """Again after a fault: from behind what was taken."""
        while self._taken < len(lines):
            piece = self._piece(lines)
            try:
                self._send(piece)
            except _TooLarge as refused:
                if len(piece) == 1:
                    raise self._later(
                        f"{refused}: a record of {len(piece[0])} bytes; have it take more", None
                    ) from None
                self._most = sum(map(len, piece)) // 2
            else:
                self._taken += len(piece)
                self._failures = 0
        self._taken = 0

    def _piece(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """The next of them, as many as the collector takes in a request; one at least."""
        if self._most is None:
            return lines[self._taken :]
        size, end = 0, self._taken
        while end < len(lines) and (end == self._taken or size + len(lines[end]) <= self._most):
            size += len(lines[end])
            end += 1
        return lines[self._taken : end]

    def _send(self, lines: Sequence[bytes]) -> None:
        if self._session is not None:
            self._session.trouble = None
        try:
            taken = self._exporter.export([self._log(line) for line in lines]) is LogRecordExportResult.SUCCESS
        except requests.RequestException:  # newer exporters tell of it by their answer
            taken = False
        if taken:
            return
        trouble = self._session.trouble if self._session is not None else None
        if trouble is not None and trouble.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise _TooLarge(trouble.why)
        raise self._later("" if trouble is None else trouble.why, None if trouble is None else trouble.after)

    def _later(self, why: str, asked: float | None) -> NotTaken:
        """When to come again: ever later, and no two processes at once; at the earliest when the collector asks us to."""
        seconds = min(RETRY_SECONDS * 2 ** min(self._failures, 10), MOST_RETRY_SECONDS)
        seconds *= random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._failures += 1
        if asked is not None:
            seconds = max(seconds, min(asked, MOST_ASKED_SECONDS))
        return NotTaken("the collector did not take the records" + (f": {why}" if why else ""), seconds)

    def sync(self) -> None:
        """What the collector has acknowledged is its own."""

    def close(self) -> None:
        self._exporter.shutdown()

    def _log(self, line: bytes) -> ReadableLogRecord:
        record = LogRecord(
            observed_timestamp=time.time_ns(),
            severity_number=SeverityNumber.INFO,
            body=line.rstrip(b"\n").decode(),
            event_name="bearerd.audit",
        )
        return ReadableLogRecord(record, self._resource, self._scope)


def _receipt(body: bytes) -> None:
    """What a collector rejects of a request that it took is not to be sent again (OTLP, Partial Success), nor passed over."""
    try:
        rejected = ExportLogsServiceResponse.FromString(body).partial_success.rejected_log_records
    except DecodeError:  # not in the form that was asked for: the status has said yes
        return
    if rejected > 0:
        _LOGGER.error(
            "audit records are lost: the collector rejected them", extra={"sink": "otlp", "records": rejected}
        )
