"""``when``: one condition in CEL over what is known of a request, true or not; whatever is neither denies.

CEL has no loops but those over a list, and no side effects; the library compiles a condition once, checks its types, lets
it take at most 10,000 steps of such loops and match expressions in linear time.  Only the standard library is there: the
extensions could make much of little (``replace``).

What a condition needs is found by compiling it without: a type checker knows every name that it resolves.
"""

from __future__ import annotations

import datetime
import functools
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from bearerd.mcp import extra
from bearerd.mcp.extent import more_than

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["http", "mcp"]

LONGEST: Final = 4096  # characters
MOST_LOOPED: Final = 1_024
MOST_LOOPED_TEXT: Final = 64 * 1024
"""Values in the arguments, and characters in all of them, that a condition with a loop is held against.

A step costs what it does to them, not one: ``filter`` copies what it has at each, and ``size()`` of a text reads all of it.
A list of 9,000 took 9 seconds, and a text of a megabyte beside it 30."""

# In a text literal, too: then it is bounded for nothing.
_LOOP: Final = re.compile(r"\b(?:all|exists|exists_one|map|filter)\b")
_TYPES: Final[Mapping[str, tuple[str, ...]]] = {  # of CEL, by the names of the library; two are a map's
    "claims": ("STRING", "DYN"),
    "request": ("STRING", "STRING"),
    "now": ("TIMESTAMP",),
    "args": ("STRING", "DYN"),
    "method": ("STRING",),
    "tool": ("STRING",),
    "prompt": ("STRING",),
    "resource": ("STRING",),
}
_OF_HTTP: Final = ("claims", "request", "now")
NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {"http": _OF_HTTP, "mcp": tuple(_TYPES)}
"""What a condition may name, by the kind of resource that its rule belongs to."""

_PLACE: Final = re.compile(r"ERROR: <input>:(-?[0-9]+):(-?[0-9]+): ([^\n]*)")


class BadCondition(ValueError):
    """It cannot be used."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(wrong)
        self.remedy = remedy


class Condition(NamedTuple):
    """One condition.  Safe to share: nothing in it changes."""

    text: str
    expression: Any  # of the library
    reads_args: bool
    reads_request: bool
    loops: bool = False

    def fault(self, known: Mapping[str, Any]) -> str | None:
        """Why it does not hold, for logs, without any value; None: it does.

        ``known`` lacks what is not known: a condition that comes to depend on it does not hold.
        """
        if self.loops and self.reads_args and more_than(MOST_LOOPED, known.get("args"), MOST_LOOPED_TEXT):
            return f"when could not be judged (more than {MOST_LOOPED} values, or {MOST_LOOPED_TEXT} characters, for a loop)"
        try:
            found = self.expression.eval(data=known)
            value, kind = found.value(), found.type().name()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a C++ exception may be anything; none of them may allow
            return f"when could not be judged ({'the budget is spent' if 'budget' in str(error) else 'an error'})"
        if value is True:
            return None
        if value is False:
            return "when is false"
        if kind == "ERROR":
            return f"when came to an error ({_sort(value)})"
        return "when is neither true nor false"


def moment(wall: float) -> datetime.datetime:
    """Seconds since the epoch as ``now``."""
    return datetime.datetime.fromtimestamp(wall, datetime.UTC)


@functools.lru_cache(maxsize=1024)
def compiled(text: str, kind: Kind) -> Condition:
    """Raises BadCondition, and ``extra.Missing`` where bearerd[mcp] is not installed."""
    if len(text) > LONGEST:
        raise BadCondition(f"longer than {LONGEST} characters", "make more than one rule of it")
    names = NAMES[kind]
    try:
        expression = _environment(names).compile(text)
    except RuntimeError as error:
        raise BadCondition(_where(error), f"see https://cel.dev; known here are {', '.join(names)}") from None
    result = expression.return_type().name()
    if result not in ("BOOL", "DYN"):
        raise BadCondition(f"comes to {result}, not to true or false", "compare it with something")
    args, request = (_needs(text, names, name) for name in ("args", "request"))
    return Condition(text, expression, args, request, loops=_LOOP.search(text) is not None)


def reads_arguments(text: str) -> bool:
    """Whether a condition of an MCP resource depends on what a tool is called with; False for what is no condition."""
    try:
        return compiled(text, "mcp").reads_args
    except (BadCondition, extra.Missing):
        return False


def _needs(text: str, names: tuple[str, ...], name: str) -> bool:
    if name not in names:
        return False
    try:
        _environment(tuple(other for other in names if other != name)).compile(text)
    except RuntimeError:
        return True
    return False


@functools.cache
def _environment(names: tuple[str, ...]) -> Any:
    cel = extra.need("cel_expr_python.cel")
    types = {}
    for name in names:
        made = [getattr(cel.Type, kind) for kind in _TYPES[name]]
        types[name] = cel.Type.Map(*made) if len(made) > 1 else made[0]
    return cel.NewEnv(variables=types)


def _where(error: RuntimeError) -> str:
    """The library's words: each complaint with its line and column, without the picture of the source beneath."""
    if "recursion" in str(error):
        return "nested too deeply: the recursion limit is 32"
    found = _PLACE.findall(str(error))
    told = [f"line {line}, column {column}: {words}" if int(line) > 0 else words for line, column, words in found]
    return "; ".join(dict.fromkeys(told[:3])) or "not a CEL expression"


def _sort(value: object) -> str:
    """The sort of an error: what follows may quote a value."""
    words = str(value)
    for sign, said in (
        ("No matching overloads", "a value of another type"),
        ("not found in map", "a member is absent"),
        ("No value with name", "something is not known of this request"),
        ("out of range", "a number out of range"),
    ):
        if sign in words:
            return said
    return "see docs/arguments.md"
