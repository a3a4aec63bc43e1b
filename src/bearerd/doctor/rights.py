"""What the store's user may do: each command that bearerd gives, given once in a form that changes nothing.

All of them name one key of the fleet's that is not there (``…:doctor``).  HSET knows no such form: it is given when the key can be
removed again, and the key is gone before anybody could look.  ``ACL DRYRUN`` would tell it all, and is a right that this user must
not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from redis.exceptions import NoScriptError

from bearerd.errors import StoreError, StoreRight

if TYPE_CHECKING:
    from bearerd.store.client import Argument, Link
    from bearerd.store.names import Names
    from bearerd.store.server import Facts

KEY: Final = "KEY"  # where the probe's key stands
_NOBODY: Final = "0" * 40

PROBES: Final[tuple[tuple[Argument, ...], ...]] = (
    ("TIME",),
    ("GET", KEY),
    ("SET", KEY, "", "XX", "PX", 1000),
    ("DEL", KEY),
    ("HGET", KEY, "f"),
    ("HMGET", KEY, "f"),
    ("HGETALL", KEY),
    ("HEXISTS", KEY, "f"),
    ("HDEL", KEY, "f"),
    ("ZADD", KEY, "XX", 1, "m"),
    ("ZCARD", KEY),
    ("ZSCORE", KEY, "m"),
    ("ZRANGE", KEY, 0, -1),
    ("ZRANGEBYSCORE", KEY, 0, 1),
    ("ZREMRANGEBYSCORE", KEY, 0, 1),
    ("EXPIREAT", KEY, 4102444800),
    ("PEXPIRE", KEY, 1000),
    ("XADD", KEY, "NOMKSTREAM", "*", "f", ""),
    ("XREAD", "COUNT", 1, "STREAMS", KEY, "$"),
    ("XREVRANGE", KEY, "+", "-", "COUNT", 1),
    ("EVALSHA", _NOBODY, 0),
    ("EVAL", "return 1", 0),
    ("WAIT", 0, 1),
)


class Tried(NamedTuple):
    """What came of it."""

    refused: dict[str, str]  # commands that the user may not give, and how the server says so
    unwritten: str  # why the server takes no write now, whoever asks: memory or disk are full, replicas are away


async def tried(link: Link, names: Names, facts: Facts) -> Tried:
    """Give them.  Raises StoreError where the server cannot be asked."""
    key = names.prefix + "doctor"
    probes = [*PROBES, *([("WAITAOF", 0, 0, 1)] if facts.waitaof else [])]
    refused: dict[str, str] = {}
    unwritten = ""
    for probe in probes:
        await _try(link, tuple(key if word == KEY else word for word in probe), refused)
    if "DEL" not in refused:
        unwritten = await _try(link, ("HSET", key, "f", ""), refused)
        await _try(link, ("DEL", key), refused)
    return Tried(refused, unwritten)


async def _try(link: Link, command: tuple[Argument, ...], refused: dict[str, str]) -> str:
    """Give one; the error that it was answered with, where that says nothing of rights."""
    try:
        await link.call(*command, blocks=0.1)
    except StoreRight as error:
        refused[str(command[0])] = str(error)
    except NoScriptError:
        pass  # it may ask for scripts
    except StoreError as error:
        if not link.usable:
            raise
        return str(error)  # perhaps only not what this server's version knows: the right is there
    return ""
