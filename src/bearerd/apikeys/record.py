"""What is kept of an API key: everything but the key."""

from __future__ import annotations

import hmac
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import orjson

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Secret:
    """One of a key's secrets: after a rotation there are two for a while.  Times are whole seconds since the epoch."""

    number: int  # the first is 1
    digest: str  # of the whole key, under the pepper (hex)
    made: int
    ends: int  # the key's own end, or that of the overlap


@dataclass(frozen=True, slots=True)
class Record:
    """One key.  The owner is its subject; nothing in it changes but ``secrets``, which rotation does, and ``revoked``."""

    id: str
    name: str  # what people call it
    owner: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    resources: tuple[str, ...]  # names of the configuration
    created: int
    expires: int
    secrets: tuple[Secret, ...]  # the newest last
    revoked: int | None = None  # since when, for good

    def secret(self, digest: str) -> Secret | None:
        """The one with this digest.  All are compared, whatever came of the one before."""
        found = None
        for secret in self.secrets:
            if hmac.compare_digest(secret.digest, digest):
                found = secret
        return found

    def rotated(self, digest: str, now: int, overlap: int, number: int | None = None) -> Self:
        """With a new secret; the last one is good for ``overlap`` more seconds, any older one no longer.

        ``number``: the new one's, if not the one after the last one's.
        """
        *_, last = self.secrets
        kept = (replace(last, ends=min(last.ends, now + overlap)),) if overlap > 0 else ()
        return replace(self, secrets=(*kept, Secret(number or last.number + 1, digest, now, self.expires)))

    def encode(self) -> bytes:
        """As it is stored, and sealed."""
        return orjson.dumps({"version": _VERSION, **asdict(self)})

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """What ``encode`` made.  Raises ValueError."""
        try:
            said: dict[str, Any] = orjson.loads(text)
            if said.pop("version") != _VERSION:
                raise ValueError("another version")
            lists = {name: tuple(said[name]) for name in ("scopes", "roles", "resources")}
            secrets = tuple(Secret(**secret) for secret in said["secrets"])
            if not secrets:
                raise ValueError("no secret")
            return cls(**{**said, **lists, "secrets": secrets})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from None


def session_of(key_id: str, number: int) -> str:
    """The name under which one secret of a key is revoked (kind ``session``)."""
    return f"{key_id}.{number}"
