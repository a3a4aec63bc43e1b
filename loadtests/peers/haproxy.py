"""HAProxy's jwt_verify, and whole chains: it alone, with bearerd beside it (Lua), with jwt_verify."""

from __future__ import annotations

import subprocess

from credentials import AUDIENCE, ISSUER
from place import Absent, Peer, Place, Target, ask, free_port, refusals
from stage import GATEWAYS

from peers import examples
from peers.groups import ALONE, BEARERD, KNOWN, OWN, chain

# Signature, algorithm, issuer, audience and lifetime.
CHECK = f"""
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {ISSUER} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {AUDIENCE} }}
    http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"KEY") -m int 1 }}
"""
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
{check}
    http-request return status 204
"""
# Where the example asks, and refuses whatever was not allowed.
ASKED = examples.part(
    "haproxy", "haproxy.cfg", "    http-request lua.bearerd", "{ var(txn.bearerd_allowed) -m bool }\n"
)


def with_(feature: str) -> str:
    """HAProxy itself, if it was built with this.  Raises Absent."""
    binary = GATEWAYS["haproxy"].found()
    if binary is None:
        raise Absent(f"HAProxy is not here: pip install {GATEWAYS['haproxy'].wheel}")
    built = subprocess.run([binary, "-vv"], capture_output=True, text=True, check=False)
    if f"+{feature} " not in built.stdout:
        raise Absent(f"this HAProxy is built without {feature}: pip install {GATEWAYS['haproxy'].wheel}")
    return binary


def check(place: Place) -> str:
    """The lines that verify."""
    return CHECK.replace("KEY", str(place.issuer.write_pem(place.folder / "rs256.pem")))


def haproxy(place: Place) -> Target:
    """One thread, and a fixed answer behind the check."""
    binary, port, config = with_("OPENSSL"), free_port(), place.folder / "haproxy.cfg"
    config.write_text(CONFIG.format(port=port, check=check(place)))
    pid = place.start("haproxy", [binary, "-f", config, "-db"], port)
    return Target(port, (pid,), [ask(place.token())], refusals(place))


def chained(place: Place, way: str) -> Target:
    """One of the three; all of them load the example's script, and one asks by it."""
    with_("LUA")
    if way == OWN:
        with_("OPENSSL")
    changes = {ALONE: {ASKED: ""}, BEARERD: {}, OWN: {ASKED: check(place)}}[way]
    return examples.chained(place, "haproxy", way, changes)


IN_PROCESS = (Peer("haproxy", KNOWN, "HAProxy jwt_verify", haproxy),)
CHAINS = (
    chain("haproxy-open", "HAProxy", ALONE, "", lambda place: chained(place, ALONE)),
    chain("haproxy-bearerd", "HAProxy", BEARERD, "Lua", lambda place: chained(place, BEARERD)),
    chain("haproxy-jwt_verify", "HAProxy", OWN, "jwt_verify", lambda place: chained(place, OWN)),
)
