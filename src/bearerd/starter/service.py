"""bearerd's own file of a starting configuration: the example's, its first lines changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from bearerd.starter import gateways
from bearerd.starter.wishes import BEARERD, ISSUER

if TYPE_CHECKING:
    from bearerd.starter.wishes import Wishes

FILE: Final = "bearerd.toml"


def written(gateway: str, wishes: Wishes) -> str:
    """The text of ``bearerd.toml``."""
    text = gateways.example(gateway, FILE)
    if wishes.bearerd != BEARERD:
        text = _set(text, "listen", [str(wishes.bearerd)])
        text = _set(text, "admin", str(wishes.bearerd.behind(1)))
        text = _set(text, "probes", str(wishes.bearerd.behind(2)))
        if gateway == "envoy-grpc":
            text = _set(text, "grpc", str(wishes.bearerd.grpc))
    if wishes.issuer != ISSUER:
        text = _without(_set(text, "issuer", wishes.issuer), "name")
    if wishes.issuer.startswith("https:"):  # nothing is left that only a development profile may have
        for key in ("profile", "workers", "insecure_issuer"):
            text = _without(text, key)
    return _set(text, "identifier", wishes.identifier)


def _set(text: str, key: str, value: Any) -> str:
    """With another value for the first key of this name, and without what its comment said of the old one."""
    line = f"{key} = {json.dumps(value)}"  # a string or a list of them, in ASCII: TOML reads it as JSON does
    return _changed(text, rf"^{key} = .*$", line)


def _without(text: str, key: str) -> str:
    return _changed(text, rf"^{key} = .*\n", "")


def _changed(text: str, pattern: str, new: str) -> str:
    changed, times = re.subn(pattern, lambda _: new, text, count=1, flags=re.MULTILINE)
    if not times:
        raise LookupError(f"the example no longer has a line {pattern}")
    return changed
