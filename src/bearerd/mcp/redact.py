"""Secrets and personal data in arguments: what is kept out of the record of a call, and what is kept out of the call.

``flag``: told by name.  ``redact``: told, and not in the audit record.  ``block``: refused, and not in the audit record
either.  Beside the patterns stand names: whatever ``password`` is given, nobody need look at it to know what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.mcp.detectors import AnyOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bearerd.mcp.detectors import Detector

NAMES: Final = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "authorization", "api_key", "access_key",
    "private_key", "secret_key", "client_secret", "credential", "credentials", "cookie", "session_id", "otp", "pin", "cvv", "cvc",
    "card_number", "iban", "ssn",
)  # fmt: skip
"""Names of arguments whose values are never told, where a configuration names no others."""

REDACTED: Final = "[redacted]"
BY_NAME: Final = "secret-name"  # what is told of a value that went by its name
TOO_DEEP: Final = "too-deep"  # nested beyond what can be looked at: nothing of it is told
TOO_MANY: Final = "too-many"  # texts with something in them: the further ones are not told at all
MOST_TEXTS: Final = 256
"""Texts of one call of which it is found out what is where: each is asked about every pattern, which takes up to 0.2 ms."""


class _Findings(dict[str, None]):
    """The names of what was found in one call, in order; and in how many of its texts."""

    texts = 0


class Watched:
    """What is looked for in the arguments of one rule or resource.  Safe to share: nothing in it changes."""

    __slots__ = ("_any", "_any_blocked", "_blocked", "_detectors", "_hidden", "_names")

    def __init__(
        self,
        flag: Iterable[Detector] = (),
        redact: Iterable[Detector] = (),
        block: Iterable[Detector] = (),
        names: Iterable[str] = NAMES,
    ) -> None:
        self._blocked = tuple(block)
        hidden = (*redact, *self._blocked)
        self._hidden = frozenset(one.name for one in hidden)
        self._detectors = tuple({one.name: one for one in (*flag, *hidden)}.values())
        self._any = AnyOf.of(self._detectors) if self._detectors else None
        self._any_blocked = AnyOf.of(self._blocked) if self._blocked else None
        self._names = tuple(one + end for one in dict.fromkeys(map(_plain, names)) for end in ("", "s") if one)

    @property
    def blocks(self) -> bool:
        """Whether a call may be refused for what is found."""
        return bool(self._blocked)

    def blocked(self, arguments: Mapping[str, Any] | None) -> str | None:
        """The name of a pattern for which the call is refused; None: there is none."""
        if self._any_blocked is None:
            return None
        try:
            for text in _texts(arguments):
                if self._any_blocked(text):
                    for one in self._blocked:
                        if next(one.spans(text), None) is not None:
                            return one.name
        except RecursionError:
            return TOO_DEEP
        return None

    def redacted(self, arguments: Mapping[str, Any] | None) -> tuple[Any, tuple[str, ...]]:
        """The arguments as they may be kept, and the names of all that was found."""
        found = _Findings()
        try:
            return self._told(arguments, found), tuple(found)
        except RecursionError:
            return REDACTED, (TOO_DEEP,)

    def _told(self, value: Any, found: _Findings) -> Any:
        if isinstance(value, str):
            return self._text(value, found)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            text = self._text(str(value), found)
            return value if text == str(value) else text
        if isinstance(value, list | tuple):
            return [self._told(item, found) for item in value]
        if not hasattr(value, "items"):
            return REDACTED  # nothing that JSON has
        kept: dict[str, Any] = {}
        times: dict[str, int] = {}
        for name, item in value.items():
            told = _apart(self._text(str(name), found), kept, times)
            if self._secret(str(name)) and item is not None:
                found[BY_NAME] = None
                kept[told] = REDACTED
            else:
                kept[told] = self._told(item, found)
        return kept

    def _secret(self, name: str) -> bool:
        plain = _plain(name)
        return plain.endswith(self._names)

    def _text(self, text: str, found: _Findings) -> str:
        if self._any is None:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        if not self._any(raw):
            return text
        found.texts += 1
        if found.texts > MOST_TEXTS:
            found[TOO_MANY] = None
            return REDACTED
        hidden = []
        for one in self._detectors:
            for span in one.spans(raw):
                found[one.name] = None
                if one.name in self._hidden:
                    hidden.append((*span, one.name))
        return _without(raw, hidden) if hidden else text


def redacted(arguments: Mapping[str, Any] | None, watched: Watched) -> tuple[Any, tuple[str, ...]]:
    """The arguments as an audit record may hold them, and the names of what was found in them."""
    return watched.redacted(arguments)


def _apart(name: str, kept: Mapping[str, Any], times: dict[str, int]) -> str:
    """A name that none of those has: two may have become one, and so may thousands.

    ``times``: how often this was asked for each, so that nobody counts from one again.
    """
    made = name
    while made in kept:
        times[name] = again = times.get(name, 0) + 1
        made = f"{name}'{again}"
    return made


def _plain(name: str) -> str:
    """A name as it is compared: its letters and digits in lower case, so that apiKey, API-Key and api_key are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _texts(value: Any) -> Iterator[bytes]:
    """Every text in the arguments: names, too, and numbers as they are written."""
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif hasattr(value, "items"):
        for name, item in value.items():
            yield str(name).encode("utf-8", "surrogatepass")
            yield from _texts(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value).encode()


def _without(raw: bytes, hidden: list[tuple[int, int, str]]) -> str:
    """The text with each of these places replaced by the name of what stood there; what overlaps is one place."""
    kept, at = b"", 0
    for start, end, name in sorted(hidden):
        if end <= at:
            continue
        if start >= at:
            kept += raw[at:start] + f"[{name}]".encode()
        at = end
    return (kept + raw[at:]).decode("utf-8", "replace")
