"""Audit records as OTLP logs: imported only where ``[audit]`` names this sink, for the packages are an extra."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where one is named, the exporter sends by that one's session, which is bounded by nothing of ours.
_PROVIDERS: Final = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)
_LOGGER: Final = logging.getLogger("bearerd.audit")


class OtlpSink:
    """The body of a log record is the line as it is: what the collector keeps can be verified, if it keeps the text."""

    name = "otlp"

    def __init__(self, endpoint: str | None) -> None:
        """``endpoint``: None leaves it, as headers and certificates, to OpenTelemetry's own environment variables."""
        session = None if any(os.environ.get(name) for name in _PROVIDERS) else Session(_receipt)
        self._exporter = OTLPLogExporter(endpoint=endpoint, session=session)
        self._resource = Resource.create({"service.name": "bearerd", "service.version": __version__})
        self._scope = InstrumentationScope("bearerd.audit", __version__)

    def write(self, lines: Sequence[bytes]) -> None:
        batch = [self._log(line) for line in lines]
        if self._exporter.export(batch) is not LogRecordExportResult.SUCCESS:
            raise OSError(0, "the collector did not take the records")

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
