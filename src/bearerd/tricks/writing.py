"""From a trick's templates to the bytes of a request.

What may stand in braces (anything else stays as it is):

    {open} {secret} {host} {trusted} {forbidden} {tag} {forged}     as the target says
    {token}             the token that is shown, else one that nobody issued
    {rest}              the secret without its first slash          orders/7
    {first} {below} {tail}  its first segment, and what follows, with its slash and without   orders  /7  7
    {wanted}            ``open`` where the token is good for something, else ``secret``: where a credential is what is tried
    {SECRET} {Secret}   the secret in upper case, and with one capital
    {coded} {twice}     the secret with its first letter percent-encoded, and that encoded again
    {every}             the secret with every letter percent-encoded
    {codedcapital} {overlong} {wide}    its first letter as a percent-encoded capital, in two bytes, and as IIS writes it
    {folded} {foldedraw}    with U+017F for each s, and U+212A for each k, percent-encoded and not
    {up:STEP}           from ``open`` back to the root, one STEP (``../``) for each of its segments, and on to the secret
    {id} {id:SEP}       the first identity header, and the same with SEP instead of each hyphen
    {id0} … {id4}       each of the identity headers (the last again, where there are fewer)
    {ids}               all of them, comma-separated
    {idfirst:SEP} {idlast:SEP}  the first identity header with SEP instead of the first, or last, hyphen
    {ID} {idlower}      the first identity header in upper and in lower case
    {nobody}            a token that nobody issued
    {TRUSTED} {forbiddenlower}  in the other case
    {fill:N} {FILL:N} {many:N}  N times the letter a, or A, and N header lines (each ends with its line end)
    {hidden} {hiddensize} {hiddencut}   a second request, for the secret; its size in hexadecimal; how long that line is
    {usual} {kept}      what every request has: tag, token, and ``Connection: close`` (``kept``: without; ``tagged``: the tag alone); each ends with its line end
    {manyslashes} {manyclimbs}  thousands of ``/`` and of ``../``
    {length}            the length of the body (in ``lines`` only)
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable

from bearerd.tricks.model import FORGED, NOBODYS, TAG, Target

_BRACES = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


def usual(target: Target, *, shown: bool = True, keep: bool = False) -> list[str]:
    """The lines that every request has: the tag, the credential and an end."""
    lines = [f"{TAG}: {target.tag}"]
    lines += [f"Authorization: Bearer {target.token}"] if shown and target.token else []
    return lines if keep else [*lines, "Connection: close"]


def fill(template: str, target: Target) -> str:
    """Fill in what stands in braces."""

    def value(match: re.Match[str]) -> str:
        make = _WORDS.get(match[1])
        return match[0] if make is None else make(target, match[2] or "")

    return _BRACES.sub(value, template)


def _coded(text: str, times: int = 1) -> str:
    """``%6f``, ``%256f``."""
    return "".join(f"%{'25' * (times - 1)}{ord(letter):02x}" for letter in text)


def _up(target: Target, step: str) -> str:
    depth = target.open.count("/")
    return target.open + "/" + step * depth + target.secret[1:]


def _identity(number: int) -> Callable[[Target, str], str]:
    return lambda target, _: target.identity[min(number, len(target.identity) - 1)]


def _below(target: Target, _: str = "") -> str:
    return target.secret[1 + len(_first(target)) :]


def _first(target: Target, _: str = "") -> str:
    return target.secret[1:].partition("/")[0]


def _tail(target: Target, _: str = "") -> str:
    return _below(target).removeprefix("/")


def _respelled(make: Callable[[str], str]) -> Callable[[Target, str], str]:
    """The secret with its first letter spelled another way."""
    return lambda target, _: "/" + make(target.secret[1]) + target.secret[2:]


def _folded(target: Target) -> str:
    """In UTF-8, each byte a character."""
    return target.secret.replace("s", "\u017f").replace("k", "\u212a").encode().decode("latin-1")


def _separated(index: int) -> Callable[[Target, str], str]:
    def name(target: Target, separator: str) -> str:
        words = target.identity[0].split("-")
        at = index % max(len(words) - 1, 1)
        return (
            "-".join(words[:at])
            + ("-" if at else "")
            + separator.join(words[at : at + 2])
            + "".join(f"-{word}" for word in words[at + 2 :])
        )

    return name


def _hidden(target: Target, _: str = "") -> str:
    return f"GET {target.secret} HTTP/1.1\r\nHost: {target.host}\r\n{TAG}: {target.tag}\r\n\r\n"


_WORDS: dict[str, Callable[[Target, str], str]] = {
    "open": lambda target, _: target.open,
    "secret": lambda target, _: target.secret,
    "host": lambda target, _: target.host,
    "trusted": lambda target, _: target.trusted_host,
    "TRUSTED": lambda target, _: target.trusted_host.upper(),
    "forbiddenlower": lambda target, _: (target.forbidden or "DELETE").lower(),
    "FILL": lambda target, size: "A" * int(size),
    "forbidden": lambda target, _: target.forbidden or "DELETE",
    "tag": lambda target, _: target.tag,
    "forged": lambda target, _: FORGED,
    "token": lambda target, _: target.token or NOBODYS,
    "nobody": lambda target, _: NOBODYS,
    "rest": lambda target, _: target.secret[1:],
    "first": _first,
    "below": _below,
    "tail": _tail,
    "wanted": lambda target, _: target.open if target.holder else target.secret,
    "SECRET": lambda target, _: target.secret.upper(),
    "Secret": lambda target, _: "/" + target.secret[1:].capitalize(),
    "coded": lambda target, _: "/" + _coded(target.secret[1]) + target.secret[2:],
    "twice": lambda target, _: "/" + _coded(target.secret[1], 2) + target.secret[2:],
    "every": lambda target, _: "/".join(map(_coded, target.secret.split("/"))),
    "codedcapital": _respelled(lambda letter: _coded(letter.upper())),
    "overlong": _respelled(lambda letter: f"%{0xC0 | ord(letter) >> 6:02x}%{0x80 | ord(letter) & 0x3F:02x}"),
    "wide": _respelled(lambda letter: f"%u{ord(letter):04x}"),
    "folded": lambda target, _: urllib.parse.quote(_folded(target), safe="/", encoding="latin-1"),
    "foldedraw": lambda target, _: _folded(target),
    "up": _up,
    "id": lambda target, separator: target.identity[0].replace("-", separator or "-"),
    **{f"id{number}": _identity(number) for number in range(5)},
    "idfirst": _separated(0),
    "idlast": _separated(-1),
    "ID": lambda target, _: target.identity[0].upper(),
    "idlower": lambda target, _: target.identity[0].lower(),
    "ids": lambda target, _: ", ".join(target.identity),
    "fill": lambda target, size: "a" * int(size),
    "manyslashes": lambda target, _: "/" * 3000,
    "manyclimbs": lambda target, _: "../" * 2000,
    "many": lambda target, count: "".join(f"X-Filling-{number}: a\r\n" for number in range(int(count))),
    "usual": lambda target, _: "".join(f"{line}\r\n" for line in usual(target)),
    "kept": lambda target, _: "".join(f"{line}\r\n" for line in usual(target, keep=True)),
    "tagged": lambda target, _: f"{TAG}: {target.tag}\r\n",
    "hidden": _hidden,
    "hiddensize": lambda target, _: f"{len(_hidden(target)):x}",
    "hiddencut": lambda target, _: str(len(f"{len(_hidden(target)):x}") + 2),
}
