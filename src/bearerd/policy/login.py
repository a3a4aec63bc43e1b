"""Where a browser is sent to sign in, and how it finds its way back.

The way back is made of what is configured and of the raw target that the gateway told, never of Host: whoever chooses a host
would choose where people land with a fresh session.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from bearerd.config import model
    from bearerd.request import Request

LONGEST_RETURN: Final = 2048  # characters, encoded: nginx reads a whole answer's head into 4 KiB

# A slash, and what is neither another one nor a backslash, which browsers read as one.  All of it in visible ASCII.
_TARGET: Final = re.compile(rb"/(?:[!-.0-\[\]-~][!-~]*)?")


@dataclass(frozen=True, slots=True)
class Login:
    """Of one resource."""

    url: str
    parameter: str | None  # of its query: where the way back goes
    origin: str  # of the resource's identifier

    def to(self, request: Request) -> str:
        """The place to sign in, with the way back to what was asked for.

        Without it where the target is not plainly a path of this origin: one that two programs may read in two ways
        could lead elsewhere.
        """
        back = self._way_back(request)
        if back is None:
            return self.url
        joint = "" if self.url.endswith(("?", "&")) else "&" if "?" in self.url else "?"
        return f"{self.url}{joint}{self.parameter}={back}"

    def _way_back(self, request: Request) -> str | None:
        target = request.target
        if self.parameter is None or target is None or request.ambiguous:
            return None
        if len(target) > LONGEST_RETURN or b"#" in target or not _TARGET.fullmatch(target):
            return None
        encoded = quote(self.origin.encode() + target, safe="")
        return encoded if len(encoded) <= LONGEST_RETURN else None


def made(table: model.Resource) -> Login | None:
    """What is configured, checked by ``config.check_login``."""
    if table.login_redirect is None:
        return None
    parts = urlsplit(table.identifier or "")
    return Login(table.login_redirect, table.login_return_parameter, f"{parts.scheme}://{parts.netloc}")
