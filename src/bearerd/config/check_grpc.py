"""Cross-checks of ``server.grpc``: what gRPC cannot do is said here, before anybody relies on it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bearerd.config.model import Config, Resource, Server
    from bearerd.config.problems import Problems
    from bearerd.limits import Limits

KEY: Final = "server.grpc"
_NEEDED: Final = ("grpc", "envoy", "grpc_health")  # what bearerd[grpc] brings


def check_grpc(server: Server, limits: Limits, resources: Mapping[str, Resource | None], problems: Problems) -> None:
    """That it can be listened on, and that whoever is to ask there can."""
    if server.grpc is None:
        for name, resource in resources.items():
            if resource is not None and "grpc" in resource.gateways:
                remedy = 'set server.grpc = "127.0.0.1:9183", or use the HTTP face: gateway = "envoy"'
                problems.add(f"resource.{name}.gateway", '"grpc" without server.grpc', remedy, given=(KEY,))
        return
    if not isinstance(server.grpc, str):
        remedy = 'write it like "127.0.0.1:9183"'
        problems.add(KEY, "gRPC cannot share a unix socket between workers", remedy)
    if absent := missing():
        remedy = "pip install 'bearerd[grpc]', or use the HTTP face: gateway = \"envoy\""
        problems.add(KEY, f"needs bearerd[grpc], which is not installed ({', '.join(absent)})", remedy)
    if server.tls is not None and server.tls.min_version != "1.2":
        wrong = f"{server.tls.min_version} cannot be asked of gRPC, which takes TLS 1.2 as well"
        problems.add("server.tls.min_version", wrong, 'write "1.2", or leave server.grpc out', given=(KEY,))
    if limits.max_head_bytes > limits.max_grpc_message_bytes:
        problems.add(
            "limits.max_grpc_message_bytes",
            f"{limits.max_grpc_message_bytes} is less than max_head_bytes = {limits.max_head_bytes}",
            "raise it: a head that may be asked about must fit into a message",
            given=("limits.max_grpc_message_bytes", "limits.max_head_bytes"),
        )


def missing() -> list[str]:
    """The packages that gRPC needs and that are not there."""
    return [name for name in _NEEDED if find_spec(name) is None]


def warnings(config: Config) -> Iterator[str]:
    """A listener that has nobody to speak of."""
    if config.server.grpc is not None and not any("grpc" in one.gateways for one in config.resource.values()):
        yield f'{KEY}: no resource has gateway = "grpc": every question there is answered unknown_resource'
