"""Configurations that are wrong on purpose: each is an example with named edits, before the careless verifier of ``naive.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stage import EXAMPLES

from bearerd.tricks.mirror import Believes


@dataclass(frozen=True)
class Weakness:
    """A gateway, what is wrong with it, and the edits that make it so."""

    name: str
    gateway: str  # "naive": the one of naive.py
    says: str
    edits: tuple[tuple[str, str], ...] = ()  # of the example's texts
    careless: frozenset[str] = frozenset()
    fails: bool = False
    believes: Believes = "transfer-encoding"  # which length the upstream takes


def _lines(gateway: str, file: str, pattern: str) -> tuple[tuple[str, str], ...]:
    """Edits that take whole lines out."""
    text = (EXAMPLES / gateway / file).read_text()
    found = [match[0] for match in re.finditer(rf"^[^\n#]*(?:{pattern})[^\n]*\n", text, re.MULTILINE)]
    assert found, f"nothing in {gateway}/{file} reads {pattern}"
    return tuple((line, "") for line in dict.fromkeys(found))


def _block(gateway: str, file: str, key: str) -> tuple[tuple[str, str], ...]:
    """An edit that takes a key of YAML out, and all that stands below it."""
    text = (EXAMPLES / gateway / file).read_text()
    found = re.search(rf"^( +){key}:.*\n(?:\1 +.*\n)*", text, re.MULTILINE)
    assert found is not None, f"nothing in {gateway}/{file} is {key}"
    return ((found[0], ""),)


CREDENTIALS, CLAIMS, HOSTS = frozenset({"credentials"}), frozenset({"claims"}), frozenset({"hosts"})
_ENVOY_LAX = (
    ("normalize_path: true", "normalize_path: false"),
    ("merge_slashes: true", "merge_slashes: false"),
    ("path_with_escaped_slashes_action: REJECT_REQUEST", "path_with_escaped_slashes_action: KEEP_UNCHANGED"),
)
_ENVOY_SHOWS = (("- { exact: authorization }", '- { safe_regex: { regex: ".*" } }'),)
_ENVOY_ALLOWS = (("headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW"),)
_CADDY_BARE = _lines("caddy", "Caddyfile", r"request_header -X-|import plain_names_only|request_header -Upgrade")
_TRAEFIK_BARE = (
    *_lines("traefik", "traefik.yaml", "aliasHeadersStrategy"),
    *_lines("traefik", "dynamic.yaml", r'X-[\w-]+: ""'),
)

WEAKNESSES = (
    Weakness("nginx-paths", "nginx", "The verifier compares paths as strings, and nginx passes them on as they came."),
    Weakness("nginx-decodes", "nginx", "nginx asks about the raw path, and passes on the one that it has resolved and decoded: proxy_pass with $uri.",
             (("proxy_pass http://app;", "proxy_pass http://app$uri$is_args$args;"),)),
    Weakness("nginx-headers", "nginx", "The client's headers reach the upstream: no proxy_set_header for identities, underscores and other characters allowed.",
             (*_lines("nginx", "nginx.conf", r'proxy_set_header X-(?!Original-\w+\s+\$)'),
              ("underscores_in_headers off;", "underscores_in_headers on; ignore_invalid_headers off;"))),
    Weakness("nginx-claims", "nginx", "The verifier is shown all that the client sent, and believes it.",
             (("proxy_pass_request_headers off;", "proxy_pass_request_headers on;"),), CLAIMS | HOSTS),
    Weakness("nginx-credentials", "nginx", "Any credential counts, and reaches the upstream.",
             (("proxy_pass_request_headers off;", "proxy_pass_request_headers on;"), *_lines("nginx", "nginx.conf", r'proxy_set_header Authorization  ""')),
             CREDENTIALS),
    Weakness("nginx-fails-open", "nginx", "A verifier that fails lets everything pass.",
             (("error_page 401 403 500 = ", "error_page 500 = @open; error_page 401 403 = "),
              ("        location ^~ /_bearerd_refused. {", "        location @open { proxy_pass http://app; }\n\n        location ^~ /_bearerd_refused. {")),
             fails=True),
    Weakness("envoy-paths", "envoy", "Envoy neither normalises nor refuses, and the verifier compares paths as strings.", _ENVOY_LAX),
    Weakness("envoy-headers", "envoy", "The client's headers reach the upstream: fewer allowed_upstream_headers, underscores allowed.",
             (*_ENVOY_ALLOWS, *_block("envoy", "envoy.yaml", "dynamic_metadata_from_headers"), *_lines("envoy", "envoy.yaml", r"remove_on_match(?!.*rewrite)|exact: x-auth-(?:subject|issuer|client|scopes|identity)"),
              ('regex: "x[^a-z0-9]rewrite[^a-z0-9]url"', 'regex: "x-nothing"'))),
    Weakness("envoy-claims", "envoy", "The verifier is shown all that the client sent, and believes it.", (*_ENVOY_SHOWS, *_ENVOY_ALLOWS),
             CLAIMS | HOSTS),
    Weakness("envoy-credentials", "envoy", "Any credential counts, and reaches the upstream.",
             (*_ENVOY_SHOWS, *_lines("envoy", "envoy.yaml", "request_headers_to_remove")), CREDENTIALS),
    Weakness("envoy-fails-open", "envoy", "failure_mode_allow: a verifier that fails lets everything pass.",
             (("failure_mode_allow: false", "failure_mode_allow: true"), *_ENVOY_SHOWS), fails=True),
    Weakness("traefik-paths", "traefik", "Encoded characters are allowed and paths not sanitised; the verifier compares strings.",
             (*((f"{name}: false", f"{name}: true") for name in (
                 "allowEncodedSlash", "allowEncodedBackSlash", "allowEncodedNullCharacter", "allowEncodedSemicolon", "allowEncodedPercent",
                 "allowEncodedQuestionMark", "allowEncodedHash")),
              ("      encodedCharacters:", "      sanitizePath: false\n      encodedCharacters:"))),
    Weakness("traefik-headers", "traefik", "The client's headers reach the upstream: one name in authResponseHeaders, aliases kept.",
             (*_TRAEFIK_BARE, ("authResponseHeadersRegex: (?i)^x[^a-z0-9]auth[^a-z0-9](subject|issuer|client|scopes|roles|identity)$",
                               "authResponseHeaders: [X-Auth-Roles]"))),
    Weakness("traefik-claims", "traefik", "trustForwardHeader and forwardedHeaders.insecure: clients speak in the gateway's place.",
             (("trustForwardHeader: false", "trustForwardHeader: true"), *_block("traefik", "dynamic.yaml", "authRequestHeaders"),
              ("    # No forwardedHeaders:", "    forwardedHeaders: { insecure: true }\n    # No forwardedHeaders:"), *_TRAEFIK_BARE),
             CLAIMS | HOSTS),
    Weakness("traefik-credentials", "traefik", "Any credential counts, and reaches the upstream.",
             (*_block("traefik", "dynamic.yaml", "authRequestHeaders"), *_lines("traefik", "dynamic.yaml", r'Authorization: ""')), CREDENTIALS),
    Weakness("caddy-paths", "caddy", "The verifier compares paths as strings, and Caddy passes them on as they came."),
    Weakness("caddy-headers", "caddy", "The client's headers reach the upstream: none is removed, one is copied.",
             (*_CADDY_BARE, ("copy_headers X-Auth-Subject X-Auth-Issuer X-Auth-Client X-Auth-Scopes X-Auth-Roles X-Auth-Identity", "copy_headers X-Auth-Roles"))),
    Weakness("caddy-hop-by-hop", "caddy", "Connection is not removed: what it names is taken away after it was set.",
             _lines("caddy", "Caddyfile", "request_header -(Connection|Upgrade)")),
    Weakness("caddy-claims", "caddy", "trusted_proxies holds everybody, and the verifier believes what it is shown.",
             (("\tpersist_config off", "\tpersist_config off\n\tservers {\n\t\ttrusted_proxies static 0.0.0.0/0\n\t}"), *_CADDY_BARE),
             CLAIMS | HOSTS),
    Weakness("caddy-credentials", "caddy", "Any credential counts, and reaches the upstream.",
             _lines("caddy", "Caddyfile", "request_header -Authorization|header_up -Cookie"), CREDENTIALS),
    Weakness("naive", "naive", "A gateway of an afternoon: it asks about the first head, and copies bytes from then on.", (), CREDENTIALS | CLAIMS | HOSTS),
    Weakness("naive-lengths", "naive", "The same before an upstream that takes Content-Length where there is a Transfer-Encoding, too.",
             believes="content-length"),
    Weakness("naive-bodiless", "naive", "The same before an upstream that reads no bodies away.", believes="nothing"),
)  # fmt: skip
