"""The gateways that bearerd has a tested example of, and where in its files the addresses stand.

The files are those of examples/, which the gateway tests start verbatim; they are packed with bearerd.  A line that is to be
replaced is named by its own text: a file that was changed and no longer has it fails the tests, and never a user.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

from bearerd.starter.wishes import BEARERD, UPSTREAM, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.starter.wishes import Wishes

Place = tuple[str, str]
"""What stands in the file, and what stands there instead: a format over ``it``, an Endpoint."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One example: where its addresses stand (by file), and how it is run."""

    port: int  # where the example's gateway listens
    run: str
    public: Mapping[str, tuple[Place, ...]]
    bearerd: Mapping[str, tuple[Place, ...]]
    upstream: Mapping[str, tuple[Place, ...]]

    @property
    def listens(self) -> Endpoint:
        """The example's own."""
        return Endpoint("127.0.0.1", self.port)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the gateway's files, the one that it is started with first."""
        return tuple(dict.fromkeys([*self.public, *self.bearerd, *self.upstream]))


def _envoy(port: int, asks: Place) -> Gateway:
    """``asks``: where the filter says whom it asks, beside the cluster that clients' metadata comes from."""
    address = "address: 127.0.0.1, port_value: {}"
    theirs = 'address: "{it.host}", port_value: {it.port}'
    return Gateway(
        port=port,
        run="envoy -c envoy.yaml",
        public={"envoy.yaml": ((address.format(port), theirs),)},
        bearerd={"envoy.yaml": (asks, (address.format(9180), theirs))},
        upstream={
            "envoy.yaml": (
                ("- name: app\n      type: STATIC", "- name: app\n      type: {it.discovery}"),
                (address.format(9000), theirs),
            )
        },
    )


GATEWAYS: Final[dict[str, Gateway]] = {
    "nginx": Gateway(
        port=8080,
        run="nginx -p . -c nginx.conf",
        public={"nginx.conf": (("listen 127.0.0.1:8080;", "listen {it};"),)},
        bearerd={"nginx.conf": (("server 127.0.0.1:9180;", "server {it};"),)},
        upstream={"nginx.conf": (("server 127.0.0.1:9000;", "server {it};"),)},
    ),
    "envoy": _envoy(8081, ('uri: "http://127.0.0.1:9180"', 'uri: "http://{it}"')),
    "envoy-grpc": _envoy(
        8085, ("address: 127.0.0.1, port_value: 9183", 'address: "{it.grpc.host}", port_value: {it.grpc.port}')
    ),
    "traefik": Gateway(
        port=8082,
        run="traefik --configfile traefik.yaml",
        public={"traefik.yaml": (("address: 127.0.0.1:8082", 'address: "{it}"'),)},
        bearerd={
            "dynamic.yaml": (
                ("address: http://127.0.0.1:9180/auth/api", 'address: "http://{it}/auth/api"'),
                ('url: "http://127.0.0.1:9180"', 'url: "http://{it}"'),
            )
        },
        upstream={"dynamic.yaml": (('url: "http://127.0.0.1:9000"', 'url: "http://{it}"'),)},
    ),
    "caddy": Gateway(
        port=8083,
        run="caddy run",
        public={"Caddyfile": (("http://:8083 ", "http://:{it.port} "), ("bind 127.0.0.1", "bind {it.host}"))},
        bearerd={
            "Caddyfile": (
                ("reverse_proxy 127.0.0.1:9180", "reverse_proxy {it}"),
                ("forward_auth 127.0.0.1:9180", "forward_auth {it}"),
            )
        },
        upstream={"Caddyfile": (("reverse_proxy 127.0.0.1:9000", "reverse_proxy {it}"),)},
    ),
    "haproxy": Gateway(
        port=8084,
        run="haproxy -db -f haproxy.cfg",
        public={"haproxy.cfg": (("bind 127.0.0.1:8084", "bind {it}"),)},
        bearerd={
            "haproxy.cfg": (("server bearerd 127.0.0.1:9180", "server bearerd {it}"),),
            "bearerd.lua": (('"127.0.0.1:9180"', '"{it}"'),),
        },
        upstream={"haproxy.cfg": (("server app 127.0.0.1:9000", "server app {it}"),)},
    ),
}


_BESIDE: Final = "README.md beside this file"


def example(gateway: str, file: str) -> str:
    """The text of one file of an example."""
    return (resources.files("bearerd") / "examples" / gateway / file).read_text(encoding="utf-8")


def written(name: str, wishes: Wishes) -> dict[str, str]:
    """The gateway's files, by name."""
    gateway = GATEWAYS[name]
    texts = {
        file: example(name, file).replace(_BESIDE, f"examples/{name}/README.md of bearerd") for file in gateway.files
    }
    for places, usual, wished in (
        (gateway.public, gateway.listens, wishes.public),
        (gateway.bearerd, BEARERD, wishes.bearerd),
        (gateway.upstream, UPSTREAM, wishes.upstream),
    ):
        if wished != usual:
            for file, pairs in places.items():
                texts[file] = _replaced(texts[file], pairs, wished)
    return texts


def _replaced(text: str, pairs: tuple[Place, ...], it: Endpoint) -> str:
    for old, new in pairs:
        if old not in text:
            raise LookupError(f"the example no longer reads {old!r}")
        text = text.replace(old, new.format(it=it))
    return text
