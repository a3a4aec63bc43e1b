"""Which resource a host belongs to, and, where several share a host, a path: for lane and aiohttp alike."""

from collections.abc import Iterable, Sequence
from typing import final

NOBODY: int
MALFORMED: int
AMBIGUOUS: int

@final
class Hosts:
    """Of one configuration: each ``(host, path patterns or None for any path, the resource's place)``."""

    count: int

    def __init__(self, entries: Iterable[tuple[str, Sequence[str] | None, int]]) -> None: ...
    def find(self, host: bytes | None, target: bytes | None) -> int:
        """The place of the resource that this host, and raw target, belong to; None: not told.

        NOBODY: none.  MALFORMED: that is no host.  AMBIGUOUS: resources share the host, and the path can be read in two ways.
        """

def normal(value: bytes) -> bytes | None:
    """The host in a field's value: lower-cased, without port and final dot; None where it is none.

    Letters, digits, ``-``, ``.`` and ``_``, or an IPv6 address in brackets; then, at most, a colon and a port.  No user, no
    list, no space and nothing beyond ASCII: whatever two readers could take for two hosts is none.
    """

__pyx_capi__: dict[str, object]  # the C entry points of hosts.pxd
