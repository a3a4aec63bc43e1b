"""Whether two path patterns (``native.rules``) have a path in common, or one that is theirs to the laxest upstream.

That one does not tell apart what ``native.rules`` calls a near miss: case (Unicode's), a final slash, and dots or spaces at
a segment's end.

Two automata side by side: a path that both accept exists if, and only if, some walk ends both.  What no normalised path can
be (``//``, a dot segment) counts all the same, so that a pair may be told that could never have met, and none is missed.
"""

from __future__ import annotations

from typing import Final

_ONE: Final = "one character of a segment"
_MANY: Final = "any number of them"
_REST: Final = "any number of any"
_END: Final = "any number of dots and spaces"  # what Windows drops


def overlap(first: str, second: str) -> bool:
    """Whether a path belongs to both, read as the laxest upstream does."""
    one, other = _folded(first), _folded(second)
    return any(_meet(near, other) for near in _near(one)) or any(_meet(one, near) for near in _near(other))


def _folded(pattern: str) -> str:
    """Without case, and without the dots and spaces at a segment's end, of which one of nothing else keeps its first."""
    return "/".join(segment[:1] + segment[1:].rstrip(". ") for segment in pattern.casefold().split("/"))


def _near(pattern: str) -> set[str]:
    """The pattern, and what differs from it by a final slash."""
    if pattern.endswith("/**"):
        return {pattern, pattern[:-3]} - {""}
    return {pattern, pattern.removesuffix("/") if pattern.endswith("/") else f"{pattern}/"} - {""}


def _meet(first: str, second: str) -> bool:
    one, other = _steps(first), _steps(second)
    waiting = [(0, 0)]
    seen = set(waiting)
    while waiting:
        i, j = waiting.pop()
        if i == len(one) and j == len(other):
            return True
        following = set()
        if i < len(one) and _repeats(one[i]):
            following.add((i + 1, j))
        if j < len(other) and _repeats(other[j]):
            following.add((i, j + 1))
        if i < len(one) and j < len(other) and _share(one[i], other[j]):
            following.add((i + (not _repeats(one[i])), j + (not _repeats(other[j]))))
        waiting += following - seen
        seen |= following
    return False


def _steps(pattern: str) -> list[str]:
    """Characters, and what stands for some."""
    below = pattern.endswith("/**")
    found: list[str] = []
    for segment in (pattern.removesuffix("/**") if below else pattern).split("/")[1:]:
        found.append("/")
        for character in segment:
            found += [_ONE, _MANY] if character == "*" else [character]
        found += [_END] if segment else []
    return [*found, "/", _REST] if below else found


def _repeats(step: str) -> bool:
    return step in (_MANY, _REST, _END)


def _share(one: str, other: str) -> bool:
    """Whether there is a character that both take."""
    if _REST in (one, other) or one == other:
        return True
    if "/" in (one, other):
        return False
    return bool({one, other} & {_ONE, _MANY}) or (_END in (one, other) and bool({one, other} & {".", " "}))
