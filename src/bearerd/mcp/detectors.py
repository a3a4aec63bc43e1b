"""What a secret looks like, and what personal data do: patterns, some with a checksum that makes them more than a guess.

RE2 matches every pattern in linear time, whoever wrote it.  A detector is a net and no wall: what is encoded, split over two
strings or written out passes through, and now and then something passes for what it is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bearerd.mcp import extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LONGEST: Final = 1024  # characters of a pattern
_MEMORY: Final = 1024 * 1024  # bytes for one, compiled, and what it may cache
_SHORTEST: Final = 11  # characters of anything with a checksum
_MOST: Final = 64  # places in one string: with more, all of it counts as found

Span = tuple[int, int]


class BadPattern(ValueError):
    """It cannot be used."""


class Known(NamedTuple):
    """One that is built in."""

    pattern: str
    about: str  # for docs/arguments.md
    holds: Callable[[bytes], bool] | None = None  # a checksum, or what else a pattern cannot say


def _luhn(text: bytes) -> bool:
    digits = [byte - 0x30 for byte in text if byte not in b" -"]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(text: bytes) -> bool:
    """ISO 13616: the number with its head at its end, letters as 10 to 35, leaves 1 modulo 97."""
    plain = text.replace(b" ", b"").decode()
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def _ssn(text: bytes) -> bool:
    area, group, serial = text.split(b"-")
    return area not in (b"000", b"666") and not area.startswith(b"9") and group != b"00" and serial != b"0000"


BUILT_IN: Final[Mapping[str, Known]] = {
    "private-key": Known(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----", "a private key in PEM, of any kind"),
    "aws-key": Known(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "the id of an AWS access key (not its secret, which has no form)"),
    "github-token": Known(
        r"\b(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})", "a GitHub token, classic or fine-grained"
    ),
    "slack-token": Known(r"\bxox[abeoprs]-[0-9A-Za-z-]{10,250}", "a Slack token"),
    "jwt": Known(r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*", "a signed or encrypted JWT: a bearer token"),
    "card": Known(
        r"\b[0-9](?:[ -]?[0-9]){12,18}\b", "a payment card's number: 13 to 19 digits that pass Luhn's check (so does one random number of ten)", _luhn
    ),
    "iban": Known(
        r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30}\b", "an IBAN in capitals whose check digits are right (no country's length is looked at)", _iban
    ),
    "email": Known(
        r"[0-9A-Za-z._%+-]+@(?:[0-9A-Za-z-]+\.)+[A-Za-z]{2,}", "an e-mail address in ASCII"
    ),
    "us-ssn": Known(r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", "a US social security number with its hyphens", _ssn),
}  # fmt: skip
"""By name.  A configuration may add its own, and not replace these."""


class Detector:
    """One of them, compiled.  Safe to share: nothing in it changes."""

    __slots__ = ("_compiled", "_holds", "name", "pattern")

    def __init__(self, name: str, pattern: str, holds: Callable[[bytes], bool] | None = None) -> None:
        """Raises BadPattern, and ``extra.Missing`` where bearerd[mcp] is not installed."""
        self.name = name
        self.pattern = pattern
        self._holds = holds
        if len(pattern) > LONGEST:
            raise BadPattern(f"longer than {LONGEST} characters")
        self._compiled = _compiled(pattern)
        try:
            _compiled(_within(pattern))
        except BadPattern:  # a quotation (\Q) without an end takes what stands behind it for its own text
            raise BadPattern(r"has no end of its own: close \Q by \E") from None
        if self._compiled.search(b""):
            raise BadPattern("matches the empty text, and so all there is")

    @classmethod
    def built_in(cls, name: str) -> Detector:
        """One of ``BUILT_IN``."""
        known = BUILT_IN[name]
        return cls(name, known.pattern, known.holds)

    def spans(self, text: bytes) -> Iterator[Span]:
        """Where it is found: the bytes from and to."""
        at = 0
        for _ in range(_MOST):
            found = self._compiled.search(text, at)
            if not found:
                return
            start, end = found.span()
            at = end
            if self._holds is None:
                yield start, end
            else:
                yield from ((start + one, start + other) for one, other in _parts(text[start:end], self._holds))
        yield 0, len(text)


class AnyOf(NamedTuple):
    """Whether any of several is found: one pass over the text for all of them, before each is asked where."""

    compiled: Any

    @classmethod
    def of(cls, detectors: tuple[Detector, ...]) -> AnyOf:
        """All of them in one; each keeps its own flags."""
        return cls(_compiled("|".join(_within(one.pattern) for one in detectors), len(detectors)))

    def __call__(self, text: bytes) -> bool:
        return self.compiled.search(text) is not None


def _parts(text: bytes, holds: Callable[[bytes], bool]) -> Iterator[Span]:
    """The longest parts that hold, from the left, each from one separator to another: words may stand on either side."""
    edges = [0, *(at.end() for at in re.finditer(rb"[ -]", text))]
    ends = [*(at.start() for at in re.finditer(rb"[ -]", text)), len(text)]
    after = 0
    for start in edges:
        if start < after:
            continue
        for end in reversed(ends):
            if end - start >= _SHORTEST and holds(text[start:end]):
                yield start, end
                after = end
                break


def _within(pattern: str) -> str:
    """As it stands beside others."""
    return f"(?:{pattern})"


def _compiled(pattern: str, times: int = 1) -> Any:
    re2 = extra.need("re2")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY * times
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        words = error.args[0] if error.args else ""
        said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        raise BadPattern(f"not a pattern of RE2: {said}") from None
    except UnicodeError:
        raise BadPattern("not UTF-8") from None
