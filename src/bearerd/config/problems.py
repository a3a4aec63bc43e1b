"""All that is wrong with a configuration, gathered before anything is said."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

Problem = tuple[str, str, str]
"""(dotted key, what is wrong, remedy)."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ORDER = (
    "server",
    "store",
    "trust",
    "limits",
    "identity",
    "apikeys",
    "audit",
    "issuer",
    "caller",
    "sensitive",
    "approvals",
    "resource",
)


class Problems:
    """The problems found so far, and the keys that are at fault: what follows from a fault is not told again."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._faulty: set[str] = set()
        self.variables: dict[str, str] = {}  # dotted key -> the environment variable that set it

    def add(self, key: str, wrong: str, remedy: str = "", *, given: Iterable[str] = ()) -> None:
        """One problem.  It is dropped where one of the keys that it takes as ``given`` is itself at fault."""
        if self._faulty.isdisjoint(given):
            self._found.append((self._label(key), wrong, remedy))

    def blame(self, key: str) -> None:
        """This key (of a table, without index) has a fault of its own; checks that build on it stay silent."""
        self._faulty.add(key)

    def _label(self, key: str) -> str:
        variable = self.variables.get(key) or self.variables.get(".".join(key.replace("[", ".").split(".")[:2]))
        return f"{key} (from {variable})" if variable else key

    def sorted(self) -> list[Problem]:
        """By section in the order of the documentation, then in the order of discovery."""
        return sorted(dict.fromkeys(self._found), key=lambda problem: _rank(problem[0]))


def _rank(key: str) -> int:
    section = key.replace("[", ".").split(".")[0].split(" ")[0]
    return _ORDER.index(section) if section in _ORDER else -1


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    known = [*known]
    beginning = [name for name in known if len(word) > 2 and name.startswith(word.lower())]
    if len(beginning) == 1:
        return beginning[0]
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return found[0] if found else None


def meant(word: str, known: Iterable[str], *, all_of: str) -> str:
    """A remedy for an unknown word: the nearest known one, else the whole list."""
    known = sorted(known)
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else f"{all_of}: {', '.join(known)}"


def dotted(prefix: str, path: Iterable[str | int]) -> str:
    """``prefix`` and a path of keys and indices as one dotted key, spelled as in TOML."""
    text = prefix
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + key(part)
    return text


def key(name: str) -> str:
    """A key as TOML has it: bare where that is possible, else in quotes."""
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
