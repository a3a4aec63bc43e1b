"""The audit of a process, put together: its key, its sinks, and its way to the store."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from bearerd import log
from bearerd.audit.auditor import Auditor
from bearerd.audit.feeder import Feeder
from bearerd.audit.forgotten import forgotten, unread
from bearerd.audit.heads import Heads, StoreSink
from bearerd.audit.sinks import FileSink, StdoutSink
from bearerd.config.effective import effective
from bearerd.errors import BearerdError, ConfigError
from bearerd.store import client as store_client
from bearerd.store.seal import read_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bearerd.audit.feeder import Sink
    from bearerd.audit.recorder import Recorder
    from bearerd.config.model import Audit, Config
    from bearerd.loops import Loops
    from bearerd.store.client import Client

LOCK: Final = "audit-stdout.lock"
_LOGGER: Final = logging.getLogger("bearerd.audit")


def policy_version(config: Config, generation: int) -> str:
    """Names what decisions are made by: a digest of the effective configuration, and how often this process took one."""
    said = orjson.dumps(effective(config), option=orjson.OPT_SORT_KEYS)
    return f"{hashlib.sha256(said).hexdigest()[:16]}:{generation}"


def auditor(config: Config, recorder: Recorder, generation: int) -> Auditor | None:
    """For this configuration; None where nothing is audited.  Raises ConfigError where the key cannot be read."""
    settings = config.audit
    if not settings.sinks:
        return None
    made = Auditor(config, _key(settings), policy_version(config, generation), recorder.subject, recorder.metrics)
    recorder.audit = made
    return made


def _key(settings: Audit) -> bytes | None:
    """The chain's; None where it is off."""
    if settings.chain == "off":
        return None
    if settings.key_file is None:  # ``load`` has seen to it; whoever builds a Config otherwise is told here
        raise ConfigError("configuration", [("audit.key_file", "is not given", 'name it, or set chain = "off"')])
    return read_key(settings.key_file, "audit.key_file")


def _forgotten(file: Path, settings: Audit) -> dict[str, Any]:
    """What stood in a file that rotation removes.  The key is read for it: nobody keeps it."""
    try:
        return forgotten(file, _key(settings))
    except ConfigError as error:  # records go on; that these are gone will be a finding
        _LOGGER.error("rotation removes audit records that are not vouched for", extra={"detail": log.told(error)})
        return unread(file)


def begin(audit: Auditor, config: Config, data_dir: Path, loops: Loops) -> Client:
    """Open the sinks, and look after them until the service closes; their way to the store.

    Raises ConfigError where one cannot be opened.
    """
    client = store_client.connect(config.store)
    heads = Heads(client)

    def feeders(told: Callable[[], None], forgot: Callable[[dict[str, Any]], None]) -> Sequence[Feeder]:
        settings = config.audit
        always, interval = settings.sync == "always", settings.interval
        sinks = [_opened(name, settings, data_dir, client, forgot) for name in settings.sinks]
        return [Feeder(sink, told, always=always, interval=interval) for sink in sinks]

    async def leave() -> None:
        await heads.bring()  # the last one, too
        await client.close()

    audit.start(feeders, heads.take)
    loops.at_the_end(leave)
    loops.begin("audit", audit.run)
    loops.begin("audit heads", heads.run)
    return client


def _opened(
    name: str, settings: Audit, data_dir: Path, client: Client, forgot: Callable[[dict[str, Any]], None]
) -> Sink:
    try:
        if name == "stdout":
            return StdoutSink(data_dir / LOCK)
        if name == "file" and settings.file is not None:
            return FileSink(
                settings.file,
                rotate_bytes=settings.rotate_bytes,
                keep=settings.rotate_keep,
                forgotten=lambda file: forgot(_forgotten(file, settings)),
            )
        if name == "store":
            return StoreSink(client, settings.stream_length)
        if name == "otlp":
            from bearerd.audit.otlp import OtlpSink

            return OtlpSink(settings.otlp_endpoint)
    except ImportError:
        remedy = "pip install 'bearerd[otel]'"
        raise ConfigError("configuration", [("audit.sink", f'"{name}" needs OpenTelemetry', remedy)]) from None
    except OSError as error:
        why = f"cannot be opened: {log.told(error)}"
        raise ConfigError("configuration", [(f"audit.{name}", why, "let bearerd write there")]) from None
    raise BearerdError(f"no such sink: {name}")
