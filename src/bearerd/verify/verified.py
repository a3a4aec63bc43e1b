"""What a verified token says: the only thing that is cached of it (G4), and all that the policy reads."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import orjson

from bearerd._native.examine import Payload, encoded
from bearerd.store import entries

if TYPE_CHECKING:
    from collections.abc import Iterator


class Claims(Payload, Mapping[str, Any]):
    """A whole payload.  It is parsed once somebody asks for a claim: of a known token mostly nobody does."""

    __slots__ = ()

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """These claims, of no token."""
        return cls(orjson.dumps(said), said)

    def apart(self) -> Claims:
        """The same for a program that may change what it is given: nobody else is given that object."""
        return Claims(self.text)

    def __getitem__(self, name: str) -> Any:
        return self.read()[name]

    def __contains__(self, name: object) -> bool:
        return name in self.read()

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())

    def __repr__(self) -> str:
        return repr(self.read())


class Verified(NamedTuple):
    """Claims under a good signature, of an issuer that is configured, within their time.  Not: acceptable anywhere.

    Audience, scopes, a resource's own limits and ``confirmed`` are the policy's to judge.  Times are seconds since the
    epoch, as the token gives them.
    """

    issuer: str  # iss
    subject: str | None  # sub
    client: str | None  # client_id, else azp, appid, cid
    session: str | None  # sid
    scopes: tuple[str, ...]  # of all the issuer's scope_claims, each once, in order
    roles: tuple[str, ...]  # likewise of role_claims
    audience: tuple[str, ...]
    issued_at: float
    expires_at: float
    token_id: str  # SHA-256 of the signing input, lower-case hex: names the token in logs, and in a revocation
    thumbprint: str | None  # of the key that verified it (RFC 7638); None: it is an API key
    alg: str
    kid: str | None
    confirmed: bool  # it has a cnf claim: proof of possession is due (RFC 7800, RFC 9449)
    key_generation: int  # the issuer's, when the key was last known to be in its set
    claims: Claims  # the whole payload

    @property
    def lifetime(self) -> float:
        """Seconds from ``iat`` to ``exp``."""
        return self.expires_at - self.issued_at

    @property
    def issued_second(self) -> int:
        """floor(iat): what cut-offs are compared with (contracts, section 5)."""
        return math.floor(self.issued_at)

    @property
    def jti(self) -> str | None:
        """The claim, where the token has it."""
        return self.claims.read().get("jti")

    def probes(self) -> bytes:
        """The 16-byte keys under which this token may be revoked, concatenated (contracts, section 5)."""
        digest = bytes.fromhex(self.token_id)
        return entries.probes(self.issuer, self.jti, digest, self.subject, self.session, self.client, self.thumbprint)

    def probed(self) -> tuple[entries.Kind, ...]:
        """What the keys of ``probes`` are about, in their order."""
        kind = entries.Kind
        said = (
            (kind.TOKEN, self.jti),
            (kind.TOKEN, self.token_id),
            (kind.SUBJECT, self.subject),
            (kind.SESSION, self.session),
            (kind.CLIENT, self.client),
            (kind.KEY, self.thumbprint),
            (kind.ISSUER, self.issuer),
        )
        return tuple(what for what, value in said if value is not None)

    def encode(self) -> bytes:
        """A flat record for the token cache: a line of JSON, and the payload as it came.  It keeps no generation."""
        return encoded(self, self.claims)

    @classmethod
    def decode(cls, record: bytes, key_generation: int) -> Self:
        """What ``encode`` made, under the generation that is kept beside it."""
        line, _, text = record.partition(b"\n")
        fields = orjson.loads(line)
        for at in _LISTS:
            fields[at] = tuple(fields[at])
        fields += key_generation, Claims(text)
        return cls._make(fields)


def token_name(token: bytes) -> bytes:
    """What names a token in logs: SHA-256 of its signing input (``Verified.token_id``, in 32 bytes).

    Whoever has the token can find its lines; what has no dot is digested whole.
    """
    return hashlib.sha256(token.rpartition(b".")[0] or token).digest()


_LISTS: Final = tuple(Verified._fields.index(name) for name in ("scopes", "roles", "audience"))
