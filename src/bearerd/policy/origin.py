"""From which pages a browser may speak to an MCP server: its ``Origin`` (MCP, transports: DNS rebinding).

A page whose name was made to resolve to the server's address speaks to it as if it were the server's own; but the browser
says where the page came from.  Whoever is no browser sends no Origin, and is stopped by the token alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bearerd.config.check_origins import ANY
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd.config import model
    from bearerd.request import Headers

_NAME: Final = b"origin"
# The Origin itself is not repeated: it is whatever a client wrote.
_STRANGE: Final = Refusal(
    Code.FORBIDDEN, "the Origin is neither the identifier's own nor one of the resource's origins"
)
_SEVERAL: Final = Refusal(Code.FORBIDDEN, "more than one Origin")


def allowed(table: model.Resource) -> frozenset[bytes] | None:
    """The values that an Origin may have, to the byte: what is listed, and the identifier's own.  None: any."""
    if table.kind != "mcp" or ANY in table.origins:
        return None
    parts = urlsplit(table.identifier or "")
    own = [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
    return frozenset(origin.encode() for origin in (*table.origins, *own))


def refusal(among: frozenset[bytes] | None, headers: Headers) -> Refusal | None:
    """What is wrong with a request's Origin.  None: nothing, or there is none.

    ``null``, an empty one, and one in another case are no browser's of a page that is listed.
    """
    if among is None:
        return None
    given = [value.strip(b" \t") for name, value in headers if len(name) == 6 and name.lower() == _NAME]
    if len(given) > 1:
        return _SEVERAL
    return None if not given or given[0] in among else _STRANGE
