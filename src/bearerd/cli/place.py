"""Where a running bearerd is, by the configuration that it was started with.

Only what is needed for that is read: a file that has been broken since must not keep an operator from revoking.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bearerd.cli.output import Failure, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMIN: Final = "127.0.0.1:9181"
PROBES: Final = "127.0.0.1:9182"
ENFORCE_TIMEOUT: Final = 2.0
_PRODUCTION_DATA_DIR: Final = "/var/lib/bearerd"
_DEVELOPMENT_DATA_DIR: Final = ".bearerd"
_TABLE: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
_TRIES: Final = 100  # tables before the one that is broken that are looked at
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


@dataclass(frozen=True)
class Place:
    """Addresses as ``host:port`` to connect to, and the folder with the admin token."""

    admin: str
    probes: str
    data_dir: Path
    enforce_timeout: float = ENFORCE_TIMEOUT  # seconds


def find(path: str | None, environ: Mapping[str, str] = os.environ) -> Place:
    """The place of the bearerd with this configuration (None: with the environment's).  Raises Failure."""
    found, _ = _read(path)
    server = found.get("server", {})
    if not isinstance(server, dict):
        raise Failure(f"{path}: server: must be a table")
    for key in ("admin", "probes", "profile", "data_dir"):
        if (value := environ.get(f"BEARERD_SERVER__{key.upper()}")) is not None:
            server[key] = value
    folder = Path(path).absolute().parent if path is not None else Path.cwd()
    data_dir = folder / str(server.get("data_dir") or _default_data_dir(server))
    return Place(
        admin=_reachable(str(server.get("admin", ADMIN)), "admin", data_dir),
        probes=_reachable(str(server.get("probes", PROBES)), "probes", data_dir),
        data_dir=data_dir,
        enforce_timeout=_enforce_timeout(found.get("store"), environ),
    )


def issuers(path: str | None) -> list[str]:
    """Whose tokens this configuration takes, as far as all of it can be read.  Raises Failure where there is no file."""
    found, whole = _read(path)
    found = found.get("issuer", []) if whole else []
    tables = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [name for one in tables if isinstance(name := one.get("issuer"), str)]


def _enforce_timeout(store: Any, environ: Mapping[str, str]) -> float:
    """As far as it can be read: what is wrong with it was told to whoever started bearerd."""
    told = store.get("enforce_timeout") if isinstance(store, dict) else None
    given = environ.get("BEARERD_STORE__ENFORCE_TIMEOUT", told)
    if given is None:
        return ENFORCE_TIMEOUT
    from bearerd.config import units

    try:
        return units.seconds(given)
    except ValueError:
        return ENFORCE_TIMEOUT


def _read(path: str | None) -> tuple[dict[str, Any], bool]:
    """The file, and whether that is all of it.

    What runs was started with a file that was whole, so of one that is no TOML any more those tables count that stand
    before the broken one, if ``[server]`` is among them: defaults could be another bearerd's.
    """
    if path is None:
        return {}, True
    try:
        text = Path(path).read_bytes().decode(errors="replace").replace("\r\n", "\n")
        return tomllib.loads(text), True
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    except ValueError as error:
        head = _before(text, str(error))
        if "server" not in head:
            raise Failure(f"{path}: {error} (no [server] before it says where bearerd runs: mend the file)") from None
        return head, False


def _before(text: str, told: str) -> dict[str, Any]:
    """All tables before the one in which the fault is that the parser told of."""
    line = re.search(r"\(at line (\d+)", told)
    lines = text.splitlines(keepends=True)
    text = "".join(lines[: int(line[1])]) if line else text
    for table in [*_TABLE.finditer(text)][: -_TRIES - 1 : -1]:
        try:
            return tomllib.loads(text[: table.start()])
        except ValueError:
            continue  # it began within another table's lines, or the fault is further up
    return {}


def _default_data_dir(server: dict[str, Any]) -> str:
    return _DEVELOPMENT_DATA_DIR if server.get("profile") == "development" else _PRODUCTION_DATA_DIR


def _reachable(address: str, name: str, data_dir: Path) -> str:
    """The address to connect to: not "everywhere", and not port 0, which the running service has written down."""
    host, _, port = address.rpartition(":")
    if port == "0":
        from bearerd.serve.folder import read_addresses

        told = read_addresses(data_dir).get(name)
        if not isinstance(told, str):
            raise Unreachable(f"server.{name} has port 0, and no running bearerd has written its port to {data_dir}")
        host, _, port = told.rpartition(":")
    if not host or not port.isdigit():
        raise Failure(f'server.{name}: "{address}" is not an address')
    return reachable(f"{host}:{port}")


def reachable(address: str) -> str:
    """An address that is listened on as one to connect to: "everywhere" is here, too."""
    host, colon, port = address.rpartition(":")
    return f"{_EVERYWHERE.get(host, host)}{colon}{port}"
