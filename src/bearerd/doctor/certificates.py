"""How long the certificate of a host is good for.  Asked for by a handshake of its own, behind which nothing is sent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bearerd.config.check_tls import SOON  # as /readyz warns of our own
from bearerd.config.papers import DAY

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.doctor.finding import Notebook

SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds since the epoch."""

    begins: float
    ends: float

    def soon(self, now: float) -> bool:
        """Whether it ends within two weeks; one of a few days only when it is in its last quarter."""
        return self.ends - now < min(SOON, (self.ends - self.begins) / 4)


async def shown(host: str, port: int, name: str, ca_file: Path | None) -> Lifetime | None:
    """Of the certificate that ``host`` shows for ``name``, if it is believed; None: no handshake."""
    context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    except (OSError, TimeoutError, ValueError):  # ssl.SSLError is an OSError
        return None
    try:
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        begins, ends = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
        return Lifetime(begins, ends)
    except (KeyError, ValueError):
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await writer.wait_closed()


def tell(found: Lifetime | None, name: str, notes: Notebook) -> None:
    """What there is to say of it."""
    if found is None:
        notes.note(
            "certificate", f"{name}: how long it is good for could not be seen (a proxy, or a new connection failed)"
        )
        return
    days = (found.ends - time.time()) / DAY
    if found.soon(time.time()):
        remedy = "renew it: from then on the keys cannot be fetched, and after key_set_max_stale tokens are refused"
        notes.warning("certificate", f"{name}: ends in {days:.1f} days", remedy)
    else:
        notes.ok("certificate", f"{name}: good for {days:.0f} days")
