"""Targets with a host of their own, and hosts that are two: for whoever decides by host, or cuts it off wrongly."""

from __future__ import annotations

from bearerd.tricks.trick import Trick

TARGETS = tuple(
    Trick(f"hosts/{name}", tries, target=target)
    for name, target, tries in (
        ("absolute", "http://{host}{secret}", "A target that names the host, which servers must take."),
        ("absolute-trusted", "http://{trusted}{secret}", "It names a host that is trusted; the Host field another."),
        ("absolute-other", "http://evil.example{secret}", "It names another host than the Host field."),
        ("absolute-port", "http://{trusted}:80{secret}", "The same with a port."),
        ("absolute-https", "https://{trusted}{secret}", "The same with another scheme."),
        ("absolute-upper", "HTTP://{TRUSTED}{secret}", "The same in upper case."),
        ("absolute-ftp", "ftp://{trusted}{secret}", "A scheme that nobody speaks here."),
        ("absolute-userinfo", "http://{trusted}@evil.example{secret}", "A user called like a trusted host."),
        ("absolute-userinfo-last", "http://evil.example@{trusted}{secret}", "A trusted host with a user."),
        ("absolute-climbs", "http://{host}{up:../}", "Dot segments behind a host."),
        ("absolute-climbs-coded", "http://{host}{up:..%2f}", "Encoded ones behind a host."),
        ("absolute-open", "http:{open}/../../..{secret}", "A scheme without slashes."),
        ("absolute-doubled", "http://{host}/{secret}", "An empty segment behind a host."),
        ("absolute-no-host", "http://{secret}", "The host is empty, or is the first segment."),
        ("absolute-three-slashes", "http:///{rest}", "An empty host."),
        ("absolute-one-slash", "http:{secret}", "A scheme, and a path at once."),
        ("absolute-query", "http://{host}?{secret}", "A host without a path."),
        ("absolute-fragment", "http://{host}#{secret}", "The same with a fragment."),
        ("absolute-backslash", "http:\\\\{host}{secret}", "Backslashes around the host."),
        ("absolute-in-path", "/http://{host}{secret}", "A path that looks like a target."),
        ("absolute-encoded", "http%3a%2f%2f{host}{secret}", "A scheme that is one only once it is decoded."),
        ("absolute-open-as-host", "http://{first}{below}", "The secret's first segment in the host's place."),
        ("network-path", "//{trusted}{secret}", "A target of network-path form: host or path?"),
        ("authority", "{host}:80", "The form that CONNECT has."),
        ("asterisk", "*", "The form that OPTIONS has."),
    )
)  # fmt: skip

FIELDS = tuple(
    Trick(f"hosts/{name}", tries, target="{secret}", host=host)
    for name, host, tries in (
        ("trusted", "Host: {trusted}", "A host that is trusted."),
        ("trusted-upper", "Host: {TRUSTED}", "The same in upper case."),
        ("trusted-dot", "Host: {trusted}.", "The same with its final dot."),
        ("trusted-port", "Host: {trusted}:8080", "The same with a port."),
        ("trusted-bad-port", "Host: {trusted}:x", "The same with what is no port."),
        ("trusted-userinfo", "Host: {trusted}@evil.example", "A user called like a trusted host."),
        ("trusted-userinfo-last", "Host: evil.example@{trusted}", "A trusted host with a user."),
        ("trusted-path", "Host: {trusted}/x", "A host with a path."),
        ("trusted-space", "Host: {trusted} evil.example", "Two hosts, and a space between."),
        ("trusted-comma", "Host: {trusted}, evil.example", "Two hosts, and a comma between."),
        ("trusted-tab", "Host:\t{trusted}", "A tab in front."),
        ("address", "Host: 127.0.0.1", "The machine itself."),
        ("address-six", "Host: [::1]", "The same in IPv6."),
        ("address-decimal", "Host: 2130706433", "The same as one number."),
        ("twice", "Host: {host}\r\nHost: {trusted}", "Two fields: which one counts?"),
        ("twice-trusted-first", "Host: {trusted}\r\nHost: {host}", "The same the other way round."),
        ("twice-folded", "Host: {host}\r\n Host: {trusted}", "The second is a fold of the first."),
        ("twice-underscore", "Host: {host}\r\nHost_: {trusted}", "The second is spelled another way."),
        ("space-before-colon", "Host : {trusted}", "A space before the colon."),
        ("folded", "Host:\r\n {trusted}", "The host stands on a line of its own."),
        ("empty", "Host:", "An empty host."),
        ("missing", None, "No host at all."),
        ("nul", "Host: {trusted}\x00.evil.example", "A NUL behind the trusted host."),
        ("percent", "Host: %6cocalhost", "A host with an encoded letter."),
        ("climbs", "Host: {host}/../..", "A host that climbs."),
        ("behind-lf", "X-Other: a\nHost: {trusted}\r\nHost: {host}", "A second one behind a line feed alone."),
    )
)  # fmt: skip

HOSTS = (
    *TARGETS,
    *FIELDS,
    Trick("hosts/missing-http-1.0", "No host at all, where none is needed.", target="{secret}", host=None, version=" HTTP/1.0"),
    Trick("hosts/absolute-http-1.0", "A target that names the host, in an older version.", target="http://{trusted}{secret}",
          version=" HTTP/1.0"),
    Trick("hosts/absolute-no-field", "It names the host, and no field does.", target="http://{trusted}{secret}", host=None),
)  # fmt: skip
