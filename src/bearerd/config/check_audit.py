"""Cross-checks of ``[audit]`` and of what resources say of it, and what in it is worth a second look."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

from bearerd.config import check_otlp, files
from bearerd.config.check_issuers import not_a_web_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bearerd.config.model import Audit, Config, Resource
    from bearerd.config.problems import Problems

_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http._log_exporter"


def check_audit(audit: Audit, resources: Mapping[str, Resource | None], data_dir: Path, problems: Problems) -> None:
    """Sinks with what they need, and a chain with a key that its own records' writers cannot put in its place."""
    if not audit.sinks:
        _check_unused(resources, problems)
        return
    if not isinstance(audit.sink, str) and "none" in audit.sink:
        problems.add("audit.sink", '"none" beside others', "remove it", given=("audit.sink",))
    _check_file(audit, problems)
    _check_key(audit, data_dir, problems)
    if "otlp" in audit.sinks:
        _check_otlp(audit, problems)


def _check_unused(resources: Mapping[str, Resource | None], problems: Problems) -> None:
    for name, resource in resources.items():
        if resource is not None and resource.audit not in (None, "none"):
            remedy = "set audit.sink, or remove it"
            problems.add(f"resource.{name}.audit", "has no effect without a sink", remedy, given=("audit.sink",))


def _check_file(audit: Audit, problems: Problems) -> None:
    if "file" not in audit.sinks:
        return
    given = ("audit.sink", "audit.file")
    if audit.file is None:
        problems.add(
            "audit.file", 'required by the sink "file"', 'name it, like "/var/log/bearerd/audit.jsonl"', given=given
        )
    elif not audit.file.parent.is_dir():
        wrong = f"{audit.file.parent} is not a folder"
        problems.add("audit.file", wrong, "create it, and let bearerd write there", given=given)
    elif audit.file.exists() and not audit.file.is_file():
        problems.add("audit.file", f"{audit.file} is not a regular file", "name a file", given=given)


def _check_key(audit: Audit, data_dir: Path, problems: Problems) -> None:
    key, given = "audit.key_file", ("audit.key_file", "audit.chain", "audit.sink")
    if audit.chain == "off":
        return
    if audit.key_file is None:
        remedy = 'openssl rand -base64 48 > FILE, where only bearerd and auditors read it; or chain = "off"'
        problems.add(key, "required: without a key anybody could write the chain anew", remedy, given=given)
    elif files.trouble(audit.key_file) is None:
        if audit.key_file.resolve().is_relative_to(data_dir.resolve()):
            wrong = f"{audit.key_file} is within data_dir: a copy of that folder would hold it, too"
            problems.add(key, wrong, "keep it elsewhere", given=(*given, "server.data_dir"))
        elif (size := _size(audit.key_file)) < files.LEAST_KEY_BYTES:
            wrong = f"holds {size} bytes, at least {files.LEAST_KEY_BYTES} are needed"
            problems.add(key, wrong, "openssl rand -base64 48 > FILE", given=given)


def _size(path: Path) -> int:
    try:
        return len(files.read(path, files.MAX_SECRET_BYTES).strip())
    except (OSError, ValueError):
        return 0


def _check_otlp(audit: Audit, problems: Problems) -> None:
    given = ("audit.sink", "audit.otlp_endpoint")
    try:
        import_module(_EXPORTER)
    except ModuleNotFoundError:
        problems.add("audit.sink", '"otlp" needs OpenTelemetry', "pip install 'bearerd[otel]'", given=given)
    except ImportError:  # xds-protos brings older files of the same names, and whoever was installed last is there
        remedy = "pip install --force-reinstall --no-deps opentelemetry-proto"
        problems.add("audit.sink", "another package has replaced files of OpenTelemetry's", remedy, given=given)
    if audit.otlp_endpoint is not None and (wrong := not_a_web_url(audit.otlp_endpoint)):
        problems.add("audit.otlp_endpoint", wrong, 'like "http://127.0.0.1:4318/v1/logs"', given=given)


def warnings(config: Config) -> Iterator[str]:
    """What an auditor would ask about first."""
    audit = config.audit
    if not audit.sinks:
        return
    if audit.chain == "off":
        yield "audit.chain: off: whoever can write the records can change them, and nobody will see it"
    if audit.key_file is not None and files.world_readable(audit.key_file):
        yield f"audit.key_file: every local user may read {audit.key_file}"
    if audit.on_full == "drop-and-count":
        yield "audit.on_full: drop-and-count: decisions are made whose records are only counted"
    if "store" in audit.sinks and len(audit.sinks) == 1:
        yield f"audit.sink: the store alone keeps about {audit.stream_length} records; older ones are gone"
    if "otlp" in audit.sinks:
        yield from check_otlp.warnings(audit.otlp_endpoint, os.environ)
