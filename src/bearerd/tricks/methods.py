"""Methods that are another one to the upstream."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

OVERRIDE_NAMES = (
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X_HTTP_Method_Override",
    "X.HTTP.Method.Override",
)

METHODS = (
    *(Trick(f"methods/secret-{method.lower() if method.isupper() else 'spelled-' + method}",
            f"{method}, for whoever guards the usual methods only.", target="{secret}", method=method)
      for method in ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO", "get", "Get", "pOST")),
    *(Trick(f"methods/override-{name.lower()}-{method.lower()}", f"A {method} that the upstream takes for another, because {name} says so.",
            method=method, lines=(f"{name}: {{forbidden}}", *(("Content-Length: 0",) * (method == "POST"))))
      for name in OVERRIDE_NAMES for method in ("GET", "POST")),
    Trick("methods/forbidden", "No trick at all.", method="{forbidden}"),
    Trick("methods/forbidden-lower", "The method in lower case, which many upstreams take for the upper one.", method="{forbiddenlower}"),
    Trick("methods/forbidden-claims-get", "Whoever asks, asks about what the client says.", method="{forbidden}",
          lines=("X-Original-Method: GET", "X-Forwarded-Method: GET")),
    Trick("methods/forbidden-overrides-get", "The override makes it harmless to the gateway only.", method="{forbidden}",
          lines=("X-HTTP-Method-Override: GET",)),
    Trick("methods/override-query", "The override stands in the query.", target="{open}?_method={forbidden}", method="POST",
          lines=("Content-Length: 0",), inert="a query is the application's: rules on methods cannot hold for one that takes its method from there"),
    Trick("methods/override-form", "The override stands in the form.", method="POST", body="_method={forbidden}",
          lines=("Content-Type: application/x-www-form-urlencoded", "Content-Length: {length}"),
          inert="no gateway asks about a body: rules on methods cannot hold for an application that takes its method from there"),
    Trick("methods/tab", "A tab behind the method.", raw="{forbidden}\t{open} HTTP/1.1\r\nHost: {host}\r\n{usual}\r\n"),
    Trick("methods/space-before", "A space in front of it.", raw=" {forbidden} {open} HTTP/1.1\r\nHost: {host}\r\n{usual}\r\n"),
    Trick("methods/nul", "A NUL behind it.", method="{forbidden}\x00"),
    Trick("methods/none", "No method.", raw=" {secret} HTTP/1.1\r\nHost: {host}\r\n{usual}\r\n"),
    Trick("methods/long", "A method that fits into nothing.", target="{secret}", method="{FILL:300}"),
    Trick("methods/http-2", "The first words of HTTP/2.", target="{secret}",
          raw="PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET {secret} HTTP/1.1\r\nHost: {host}\r\n{usual}\r\n"),
)  # fmt: skip
