"""What the labels of the metrics can be: closed sets, of one configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.issuers.faults import Reason

if TYPE_CHECKING:
    from bearerd.config.model import Config


def labels(config: Config) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The label values that a configuration gives the metrics: faces of each resource, issuers, reasons of failure, algorithms."""
    asked = {name for caller in config.caller if "introspect" in caller.may for name in caller.resources}
    resources = {}
    for name, resource in config.resource.items():
        faces = [] if set(resource.gateways).isdisjoint({"nginx", "forwarded"}) else ["forward_auth"]
        faces += ["ext_authz"] if "envoy" in resource.gateways else []
        faces += ["grpc"] if "grpc" in resource.gateways else []
        faces += ["mcp"] if resource.upstream is not None else []
        faces += ["introspect"] if name in asked else []
        resources[name] = tuple(faces)
    algorithms = dict.fromkeys(name for issuer in config.issuer for name in issuer.algorithms)
    return resources, tuple(issuer.name for issuer in config.issuer), tuple(Reason), tuple(algorithms)
