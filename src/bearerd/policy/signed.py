"""The signed identity: a short-lived JWT that says who asks, for one upstream (docs/identity.md).

Its type, its issuer and its key are bearerd's own, so that no resource server takes it for an access token.  A signature
costs more than the rest of an answer: one is made for each (token, resource) and given again while at least half of its
lifetime is left.  Nothing is decided by it: whoever asks here has been allowed just now, so what is kept for a token that
was revoked, or whose key has gone, is not found any more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from bearerd.config import identity_keys
from bearerd.jws import signing
from bearerd.verify import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.config.model import Signing
    from bearerd.decision import Now
    from bearerd.verify.verified import Verified

TYPE: Final = "bearerd-identity+jwt"


class Signed(NamedTuple):
    """One identity, and how long it may be given (seconds, by the wall clock as it stands and by CLOCK_BOOTTIME)."""

    text: str
    since_wall: float
    until_wall: float
    until_boot: float

    def may_be_given(self, now: Now) -> bool:
        """Asked so that no NaN is in time; a clock that was set back ends it, too: upstreams refuse what is of the future."""
        return self.since_wall <= now.wall < self.until_wall and now.boot < self.until_boot


class Signatory:
    """Signs for all resources of one configuration, and keeps what it signed: at most ``most``, the oldest go first."""

    def __init__(self, told: Signing, most: int) -> None:
        """Raises ValueError or BearerdError for keys that cannot be read."""
        self._key, public = identity_keys.load(told.keys)
        self._head = signing.header(self._key, TYPE)
        self._most = most
        self._kept: dict[tuple[str, str], Signed] = {}
        self.issuer: Final = told.issuer
        self.lifetime: Final = told.lifetime
        self.key_set: Final = orjson.dumps({"keys": public}) + b"\n"
        self.signatures = 0  # how many were made

    def signed(self, resource: str, token: str, claims: Mapping[str, Any], now: Now, end: float) -> Signed:
        """An identity with these claims.  ``token``: the digest that names the token.  ``end``: when that is no longer
        accepted (``Now.latest``); the identity ends no later.
        """
        issued = math.floor(now.wall)
        last = math.ceil(end - now.behind)
        expires = min(issued + math.floor(self.lifetime), last)
        payload = orjson.dumps({"iss": self.issuer, **claims, "iat": issued, "exp": expires})
        text = signing.compact(self._key, self._head, payload)
        # One that ends with the token is as good as any that could be made instead of it.
        until = expires if expires == last else expires - self.lifetime / 2
        made = Signed(text, issued, until, now.boot + (until - now.wall))
        self._keep((resource, token), made)
        return made

    def kept(self, resource: str, token: str, now: Now) -> Signed | None:
        """What was signed before and may be given again."""
        found = self._kept.get((resource, token))
        return found if found is not None and found.may_be_given(now) else None

    def forget(self) -> None:
        """Another configuration is in use: nobody asks for these any more."""
        self._kept.clear()

    def _keep(self, place: tuple[str, str], made: Signed) -> None:
        self.signatures += 1
        self._kept.pop(place, None)  # so that the first in the table is the oldest
        self._kept[place] = made
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


class Upstream:
    """The signed identity of one resource: to whom it speaks, and what of a token it tells."""

    __slots__ = ("_audience", "_paths", "_resource", "_signatory")

    def __init__(self, signatory: Signatory, resource: str, audience: str, more: tuple[str, ...]) -> None:
        """``more``: paths of claims that go along."""
        self._signatory = signatory
        self._resource = resource
        self._audience = audience
        self._paths = more

    def tell(self, verified: Verified, now: Now, end: float) -> Signed:
        """The identity of this token's bearer."""
        known = self._signatory.kept(self._resource, verified.token_id, now)
        if known is not None:
            return known
        return self._signatory.signed(self._resource, verified.token_id, self._claims(verified), now, end)

    def _claims(self, verified: Verified) -> dict[str, Any]:
        """Without ``iss`` and the times.  What the token does not say is absent."""
        scopes = [scope for scope in verified.scopes if scope.split() == [scope]]  # any other would be read as two
        said = {
            "aud": self._audience,
            "orig_iss": verified.issuer,
            "sub": verified.subject,
            "client_id": verified.client,
            "scope": " ".join(scopes) or None,
            "roles": list(verified.roles) or None,
            "claims": self._more(verified) or None,
            "token_id": verified.token_id,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _more(self, verified: Verified) -> dict[str, Any]:
        """In a table of their own, by the path that the configuration names: none can take the place of one of ours."""
        if not self._paths:
            return {}
        found = ((path, paths.at(verified.claims, path)) for path in self._paths)
        return {path: value for path, value in found if value is not None}
