"""Who may introspect and revoke: the ``[[caller]]`` tables and their secrets (contracts, section 2)."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bearerd.config import files
from bearerd.errors import ConfigError

if TYPE_CHECKING:
    from bearerd.config.model import Config

Act = Literal["introspect", "revoke"]

_DIGEST_KEY: Final = secrets.token_bytes(32)  # so that no secret, nor a digest to try words on, stays in memory


@dataclass(frozen=True, slots=True)
class Caller:
    """One that has shown its secret."""

    name: str
    resources: tuple[str, ...]  # in the order of the configuration
    may: frozenset[str]

    def allowed(self, act: Act) -> bool:
        """Whether the configuration lets it do this."""
        return act in self.may


class Callers:
    """All callers of one configuration."""

    def __init__(self, config: Config) -> None:
        """Read every secret.  Raises ConfigError with all that cannot be read."""
        self._known: dict[str, tuple[Caller, bytes]] = {}
        problems = []
        for number, entry in enumerate(config.caller):
            try:
                secret = files.read_secret(entry.secret_file)
            except (OSError, ValueError) as error:
                why = (error.strerror if isinstance(error, OSError) else str(error)) or "cannot be read"
                problems.append((f"caller[{number}].secret_file", why, "write the secret into the file"))
                continue
            self._known[entry.name] = (Caller(entry.name, entry.resources, frozenset(entry.may)), _digest(secret))
        if problems:
            raise ConfigError("configuration", problems)
        self._nobody = _digest(secrets.token_bytes(32))

    def authenticate(self, name: str, secret: bytes) -> Caller | None:
        """The caller, if the secret is its own.  Takes as long for a name that does not exist."""
        caller, expected = self._known.get(name, (None, self._nobody))
        return caller if hmac.compare_digest(_digest(secret), expected) else None

    def __len__(self) -> int:
        return len(self._known)


def _digest(secret: bytes) -> bytes:
    return hmac.digest(_DIGEST_KEY, secret, "sha256")
