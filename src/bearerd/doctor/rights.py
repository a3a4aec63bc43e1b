"""What the store's user may do: each command that bearerd gives, given once in a form that changes nothing.

All of them name one key of the fleet's that is not there (``…:doctor``).  HSET knows no such form: it is given when the key can be
removed again, and the key is gone before anybody could look.  ``ACL DRYRUN`` would tell it all, and is a right that this user must
not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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


async def missing(link: Link, names: Names, facts: Facts) -> dict[str, str]:
    """Commands that are refused, and how the server says so.  Raises StoreError where it cannot be asked."""
    key = names.prefix + "doctor"
    probes = [*PROBES, *([("WAITAOF", 0, 0, 1)] if facts.waitaof else [])]
    refused: dict[str, str] = {}
    for probe in probes:
        await _try(link, tuple(key if word == KEY else word for word in probe), refused)
    if "DEL" not in refused:
        await _try(link, ("HSET", key, "f", ""), refused)
        await link.call("DEL", key)
    return refused


async def _try(link: Link, command: tuple[Argument, ...], refused: dict[str, str]) -> None:
    try:
        await link.call(*command, blocks=0.1)
    except StoreRight as error:
        refused[str(command[0])] = str(error)
    except NoScriptError:
        pass  # it may ask for scripts
    except StoreError:
        if not link.usable:
            raise  # else it answered, only not what this server's version knows: the right is there
