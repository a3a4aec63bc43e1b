"""How the laxest upstreams read what they receive: every path, method and header that some server, somewhere, would find in it.

Real applications differ, and a gateway does not know which of them stands behind it.  A request is safe only if it is safe under
each of these readings.
"""

from __future__ import annotations

import re
import urllib.parse

from bearerd.tricks.model import TAG

# Fields by which frameworks let a front end say which path was meant (IIS, Symfony and Zend: X-Original-URL, X-Rewrite-URL).
REROUTES = frozenset({"x-original-url", "x-rewrite-url", "x-original-uri", "x-forwarded-uri", "x-envoy-original-path"})
# … and a client which method (Rails, Express, Symfony, Spring, ASP.NET, Google's APIs).
OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override", "x-original-method", "x-forwarded-method"})  # fmt: skip

MOST_READINGS = 400

_TAG = re.compile(re.escape(TAG.encode()) + rb"\s*[:=]\s*([0-9A-Za-z]+)", re.IGNORECASE)
_AUTHORITY = re.compile(r"^[a-z][a-z0-9+.-]*://[^/?#\\]*", re.IGNORECASE)
# An ASCII character in two, three or four bytes: what decoders before 2000 took it for.
_OVERLONG = re.compile(r"([\xc0\xc1]|\xe0[\x80\x81]|\xf0\x80[\x80\x81])([\x80-\xbf])")
_SEVEN_BITS = str.maketrans({chr(code + 128): chr(code) for code in b"/.\\"})


def tag_of(head: bytes) -> str:
    """The tag that a head carries, wherever it stands."""
    found = _TAG.search(head)
    return found[1].decode() if found else ""


def canonical(name: str) -> str:
    """A header's name as the laxest upstream reads it: all that is neither letter nor digit is a hyphen."""
    return re.sub(r"[^a-z0-9]", "-", name.strip().lower())


def request_line(head: bytes) -> tuple[str, str]:
    """Method and target, whatever stands between them."""
    line = re.split(r"[\r\n]", head.decode("latin-1").lstrip("\r\n \t\0"), maxsplit=1)[0]
    words = re.split(r"[ \t\x0b\x0c\xa0]+", line)
    return words[0], words[1] if len(words) > 1 else ""


def fields(head: bytes) -> list[tuple[str, str]]:
    """The header fields, behind the first line: ending anywhere that a line may end, folds unfolded, a colon in front of a name left out."""
    found: list[tuple[str, str]] = []
    for line in re.split(r"\r\n|\r|\n", head.decode("latin-1").lstrip("\r\n"))[1:]:
        if line[:1] in (" ", "\t") and found and ":" not in line:
            name, value = found.pop()
            found.append((name, f"{value} {line.strip()}"))
        elif ":" in line:
            name, _, value = line.lstrip(":").partition(":")
            found.append((name.strip(), value.strip(" \t\x00")))
    return found


def paths(target: str) -> frozenset[str]:
    """Every path that a target may be taken for, in lower case and without a final slash."""
    found: set[str] = set()
    target = target.partition("?")[0]  # on this much everybody agrees
    waiting = [target]
    while waiting and len(found) < MOST_READINGS:
        path = waiting.pop(0)
        if path in found:
            continue
        found.add(path)
        waiting += [other for step in _STEPS if (other := step(path)) != path]
    return frozenset(_plain(path) for path in found)


def _plain(path: str) -> str:
    """Without what no router looks at."""
    return path.casefold().rstrip("/") or "/"


def _decoded(path: str) -> str:
    return urllib.parse.unquote(path, encoding="latin-1")


def _as_utf8(path: str) -> str:
    """The characters of it, where it is UTF-8: a case-insensitive router takes U+017F for an ``s``, U+212A for a ``k``."""
    try:
        return path.encode("latin-1").decode()
    except ValueError:
        return path


def _overlong(path: str) -> str:
    return _OVERLONG.sub(lambda match: chr((ord(match[1][-1]) & 1) << 6 | ord(match[2]) & 0x3F), path)


def _wide(path: str) -> str:
    """``%u002f``, which IIS reads."""
    return re.sub(r"%u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), path, flags=re.IGNORECASE)


def resolved(path: str) -> str:
    """Dot segments and empty ones taken out (RFC 3986 section 5.2.4, and one slash of several)."""
    kept: list[str] = []
    for segment in path.split("/")[1:] if path.startswith("/") else path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept)


_STEPS = (
    lambda path: _AUTHORITY.sub("", path) or "/",
    lambda path: re.sub(r"^//[^/]*(?=/)", "", path),  # as a URL without its scheme, the first segment is a host
    lambda path: re.split(r"[\r\n]", path, maxsplit=1)[0],
    lambda path: path.strip(),
    lambda path: path.partition("?")[0],
    lambda path: path.partition("#")[0],
    lambda path: path.partition("\0")[0],
    _decoded,
    lambda path: path.replace("\\", "/"),
    lambda path: re.sub(r";[^/]*", "", path),
    resolved,
    _overlong,
    _wide,
    _as_utf8,
    lambda path: path.translate(_SEVEN_BITS),
    lambda path: re.sub(r"[\x00-\x1f\x7f]", "", path),
    lambda path: re.sub(r"(?<=[^./])[. ]+(?=/|$)", "", path),  # Windows: no segment ends in a dot or a space
)
