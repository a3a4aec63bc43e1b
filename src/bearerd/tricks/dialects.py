"""What gateways tell each other, told by a client: of another path, method, host, address or verdict."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

PATHS = (
    "X-Original-URI", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix",
    "X-Envoy-Original-Path", "X-Original-Path", "X-Request-Uri", "X-Auth-Request-Redirect", "X-Http-Destinationurl", "X-Proxy-Url",
    "X-Waws-Unencoded-Url", "Destination", "Referer", "Content-Location", "X-Envoy-Decorator-Operation", ":path", "Request-URI",
)  # fmt: skip
METHODS = ("X-Original-Method", "X-Forwarded-Method", "X-Envoy-Original-Method", ":method")
HOSTS = ("X-Forwarded-Host", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-HTTP-Host-Override", "X-Envoy-Original-Host", ":authority")  # fmt: skip
ADDRESSES = (
    "X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP", "X-Remote-Addr",
    "X-Remote-IP", "X-Originating-IP", "X-ProxyUser-Ip", "X-Envoy-External-Address", "X-Custom-IP-Authorization", "Client-IP",
)  # fmt: skip
VERDICTS = (
    ("x-envoy-internal", "true"), ("x-envoy-auth-headers-to-remove", "authorization"), ("x-envoy-auth-partial-body", "true"),
    ("x-envoy-peer-metadata", "x"), ("x-ext-authz-check-result", "allowed"), ("x-ext-authz", "allow"), ("X-Auth-Status", "200"),
    ("X-Auth-Request-Id", "1"), ("X-Accel-Redirect", "{secret}"), ("X-Sendfile", "{secret}"), ("X-Accel-Internal", "1"),
    ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443"), ("X-Forwarded-Client-Cert", "By=x;Subject=admin"),
    ("Forwarded", "for=127.0.0.1;host={trusted};proto=https"), ("Via", "1.1 {trusted}"),
)  # fmt: skip
NOBODY_ASKS = "no forward-auth dialect that we know has it; it is here for the gateways that we do not"


def _spelled(name: str) -> str:
    return name.strip(":").lower()


CLAIMS = (
    *(Trick(f"dialects/path-{_spelled(name)}", f"Asked for the secret, the client says that {name} is the open path.",
            target="{secret}", lines=(f"{name}: {{open}}",)) for name in PATHS),
    *(Trick(f"dialects/reroute-{_spelled(name)}", f"Asked for the open path, the upstream follows {name} to the secret.",
            lines=(f"{name}: {{secret}}",)) for name in PATHS[:8]),
    *(Trick(f"dialects/method-{_spelled(name)}", f"The client says that {name} was harmless.",
            target="{secret}", lines=(f"{name}: OPTIONS",)) for name in METHODS),
    *(Trick(f"dialects/host-{_spelled(name)}", f"The client says that {name} is one that is trusted.",
            target="{secret}", lines=(f"{name}: {{trusted}}",)) for name in HOSTS),
    *(Trick(f"dialects/address-{_spelled(name)}", f"The client says in {name} that it is the machine itself.",
            target="{secret}", lines=(f"{name}: 127.0.0.1",)) for name in ADDRESSES),
    *(Trick(f"dialects/says-{_spelled(name)}", f"The client says {name}, which a gateway or a verifier says.",
            target="{secret}", lines=(f"{name}: {value}",)) for name, value in VERDICTS),
)  # fmt: skip

_FAMILIES = (
    ("original", ("X-Original-Method: GET", "X-Original-URI: {open}", "X-Original-Host: {trusted}")),
    ("forwarded", ("X-Forwarded-Method: GET", "X-Forwarded-Proto: https", "X-Forwarded-Host: {trusted}", "X-Forwarded-Uri: {open}")),
)  # fmt: skip

FAMILIES = tuple(
    trick
    for family, lines in _FAMILIES
    for trick in (
        Trick(f"dialects/family-{family}", "A whole question, as a gateway would ask it.", target="{secret}", lines=lines),
        Trick(f"dialects/family-{family}-twice", "The same twice: which one counts?", target="{secret}", lines=lines * 2),
        Trick(f"dialects/family-{family}-underscores", "The same with underscores.", target="{secret}",
              lines=tuple(line.replace("-", "_", 2) for line in lines)),
        Trick(f"dialects/family-{family}-dots", "The same with dots.", target="{secret}",
              lines=tuple(line.replace("-", ".", 2) for line in lines)),
        Trick(f"dialects/family-{family}-lower", "The same in lower case.", target="{secret}",
              lines=tuple(f"{name.lower()}:{value}" for name, _, value in (line.partition(":") for line in lines))),
        Trick(f"dialects/family-{family}-hop-by-hop", "The gateway's own words are named as hop-by-hop, to be taken away.", target="{secret}",
              lines=(*lines, "Connection: close, " + ", ".join(line.partition(":")[0] for line in lines)), keep=True),
        Trick(f"dialects/family-{family}-behind-lf", "Behind a line feed alone.", target="{secret}", lines=("X-Other: a\n" + "\n".join(lines),)),
        Trick(f"dialects/family-{family}-folded", "As the fold of another field.", target="{secret}",
              lines=("X-Other: a\r\n " + "\r\n ".join(lines),)),
    )
)  # fmt: skip

DIALECTS = CLAIMS + FAMILIES
