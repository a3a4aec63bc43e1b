"""HAProxy's jwt_verify, where it is on PATH: no wheel brings it."""

from __future__ import annotations

import shutil

from place import Absent, Peer, Place, Target, ask, free_port, refusals

from peers.groups import KNOWN

CONFIG = """
global
    nbthread 1
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 5s
frontend bench
    bind 127.0.0.1:{port}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1 }}
    http-request return status 204
"""


def haproxy(place: Place) -> Target:
    """One thread; the signature alone is checked."""
    binary = shutil.which("haproxy")
    if binary is None:
        raise Absent("HAProxy is not on PATH")
    port, key = free_port(), place.issuer.write_pem(place.folder / "rs256.pem")
    config = place.folder / "haproxy.cfg"
    config.write_text(CONFIG.format(port=port, key=key))
    pid = place.start("haproxy", [binary, "-f", config, "-db"], port)
    return Target(port, (pid,), [ask(place.token())], refusals(place))


PEERS = (Peer("haproxy", KNOWN, "HAProxy jwt_verify", haproxy),)
