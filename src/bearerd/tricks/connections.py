"""More than one request, or more than a request: pipelines, hop-by-hop fields, upgrades and trailers."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

_FIRST = "GET {open} HTTP/1.1\r\nHost: {host}\r\n{kept}\r\n"
_SECOND = "GET {secret} HTTP/1.1\r\nHost: {host}\r\n{tagged}Connection: close\r\n\r\n"
_TRAILED = ("Transfer-Encoding: chunked", "Trailer: {ids}", "TE: trailers")

PIPELINES = (
    Trick("connections/pipelined", "The first is allowed, and the second follows in the same packet.", raw=_FIRST + _SECOND),
    Trick("connections/pipelined-deep", "The fifth is not.", raw=_FIRST * 4 + _SECOND),
    Trick("connections/pipelined-between", "The second of three is not.", raw=_FIRST + "{hidden}" + _FIRST.replace("{kept}", "{usual}")),
    Trick("connections/pipelined-post", "Behind a body.",
          raw="POST {open} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n{kept}\r\nhello" + _SECOND),
    Trick("connections/pipelined-chunks", "Behind chunks.",
          raw="POST {open} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n{kept}\r\n5\r\nhello\r\n0\r\n\r\n" + _SECOND),
    Trick("connections/pipelined-head", "Behind a HEAD, whose answer has a length and no body.", raw=_FIRST.replace("GET", "HEAD") + _SECOND),
    Trick("connections/pipelined-http-1.0", "Behind an older version that is kept alive.",
          raw=_FIRST.replace("HTTP/1.1", "HTTP/1.0").replace("{kept}", "Connection: keep-alive\r\n{kept}") + _SECOND),
    Trick("connections/pipelined-behind-close", "Behind a request that was to be the last.", raw=_FIRST.replace("{kept}", "{usual}") + _SECOND),
    Trick("connections/pipelined-identity", "The second brings an identity along.",
          raw=_FIRST + "GET {open} HTTP/1.1\r\nHost: {host}\r\n{id}: {forged}\r\n{usual}\r\n"),
    Trick("connections/pipelined-host", "The second has another host.",
          raw=_FIRST + _SECOND.replace("{host}", "{trusted}")),
)  # fmt: skip

_NAMED = (
    ("identity", "{ids}", "The identity that was set is taken away as hop-by-hop."),
    ("identity-lower", "{idlower}", "The same in lower case."),
    ("authorization", "Authorization", "The credential is taken away before it is checked, or after."),
    ("host", "Host", "The host is taken away."),
    ("original", "X-Original-URI, X-Original-Method", "What the gateway says of the request is taken away."),
    (
        "forwarded",
        "X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Host, X-Forwarded-For",
        "The same of the other dialect.",
    ),
    ("length", "Content-Length", "The length of the body is taken away."),
    ("coding", "Transfer-Encoding", "The coding of the body is taken away."),
    ("many", "a, b, c, {id}, d", "Among others."),
)

HOPS = (
    *(Trick(f"connections/named-{name}", tries, lines=(f"Connection: close, {named}",), keep=True) for name, named, tries in _NAMED),
    *(Trick(f"connections/named-{name}-second", tries + "  In a second field.", lines=("Connection: close", f"Connection: {named}"), keep=True)
      for name, named, tries in _NAMED[:4]),
    Trick("connections/named-forged", "What a client brings is named, and comes along all the same.", keep=True,
          lines=("{id}: {forged}", "Connection: close, {id}")),
    Trick("connections/proxy-connection", "An old name of Connection.", lines=("Proxy-Connection: {ids}",),
          inert="no gateway here takes away what Proxy-Connection names"),
    Trick("connections/keep-alive", "Another hop-by-hop field.", lines=("Keep-Alive: {id}",), inert="no gateway reads names from Keep-Alive"),
    Trick("connections/named-on-secret", "Asked for the secret, the question is taken away.", target="{secret}", keep=True,
          lines=("X-Forwarded-Uri: {open}", "X-Original-URI: {open}",
                 "Connection: close, X-Forwarded-Uri, X-Original-URI, X-Forwarded-Method, X-Original-Method")),
)  # fmt: skip

UPGRADES = (
    *(Trick(f"connections/upgrade-{name}", tries, keep=True,
            raw="GET {open} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n" + lines + "{kept}\r\n" + _SECOND)
      for name, lines, tries in (
          ("websocket", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
           "Behind a change of protocol nobody looks at what follows."),
          ("h2c", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n", "Behind a change to HTTP/2 requests follow that nobody sees."),
          ("tls", "Upgrade: TLS/1.0\r\n", "Behind a change to TLS nobody sees anything."),
          ("unknown", "Upgrade: x\r\n", "A protocol that nobody knows."),
      )),
    Trick("connections/upgrade-secret", "The change of protocol itself is asked of the secret.", target="{secret}", keep=True,
          lines=("Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
)  # fmt: skip

TRAILERS = tuple(
    Trick(f"connections/trailers-{name}", tries, method="POST", lines=lines, body=body)
    for name, lines, body, tries in (
        ("identity", _TRAILED, "1\r\nx\r\n0\r\n{id}: {forged}\r\n\r\n", "An identity behind the body, where some servers add it to the head."),
        ("undeclared", _TRAILED[:1], "1\r\nx\r\n0\r\n{id}: {forged}\r\n\r\n", "The same without saying so before."),
        ("alias", _TRAILED, "1\r\nx\r\n0\r\n{id:_}: {forged}\r\n\r\n", "The same with underscores."),
        ("empty-body", _TRAILED, "0\r\n{id}: {forged}\r\n\r\n", "The same without a body."),
        ("every", _TRAILED, "0\r\n{id0}: {forged}\r\n{id1}: {forged}\r\n{id2}: {forged}\r\n\r\n", "Several of them."),
        ("folded", _TRAILED, "0\r\nX-Other: a\r\n {id}: {forged}\r\n\r\n", "As the fold of another."),
        ("host", (_TRAILED[0], "Trailer: Host"), "0\r\nHost: {trusted}\r\n\r\n", "A host behind the body."),
        ("reroute", (_TRAILED[0], "Trailer: X-Rewrite-URL"), "0\r\nX-Rewrite-URL: {secret}\r\n\r\n", "A path behind the body."),
        ("length", (_TRAILED[0], "Trailer: Content-Length"), "0\r\nContent-Length: 5\r\n\r\n", "A length behind the body."),
        ("coding", (_TRAILED[0], "Trailer: Transfer-Encoding"), "0\r\nTransfer-Encoding: chunked\r\n\r\n", "A coding behind the body."),
    )
)  # fmt: skip

CONNECTIONS = PIPELINES + HOPS + UPGRADES + TRAILERS
