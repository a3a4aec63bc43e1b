"""What the labels of the metrics can be: closed sets, of one configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bearerd.issuers.faults import Reason
from bearerd.metrics import Labels

if TYPE_CHECKING:
    from bearerd.config.model import Config


def labels(config: Config) -> Labels:
    """The label values that a configuration gives the metrics."""
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
    return Labels(resources, tuple(issuer.name for issuer in config.issuer), tuple(Reason), tuple(algorithms))
