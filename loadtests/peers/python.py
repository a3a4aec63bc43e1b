"""aiohttp and PyJWT."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from credentials import AUDIENCE, ISSUER
from place import Absent, Peer, Place, Target, ask, free_port, refusals

from peers.fixed import SERVERS
from peers.groups import KNOWN


def pyjwt(place: Place) -> Target:
    """Verifies each token anew."""
    if importlib.util.find_spec("jwt") is None:
        raise Absent("PyJWT is not installed: pip install pyjwt[crypto]")
    port, key = free_port(), place.issuer.write_pem(place.folder / "rs256.pem")
    command: list[str | Path] = [sys.executable, SERVERS / "aiohttp_pyjwt.py", str(port), key, ISSUER, AUDIENCE]
    pid = place.start("aiohttp_pyjwt", command, port)
    return Target(port, (pid,), [ask(place.token())], refusals(place))


PEERS = (Peer("pyjwt", KNOWN, "aiohttp + PyJWT", pyjwt),)
