"""Signing in: OpenID Connect's code flow with PKCE, ``state`` and ``nonce``, and a person who has just shown who they are."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from bearerd import jsonobject
from bearerd._native import clock
from bearerd.approvals import idtoken
from bearerd.approvals.idtoken import Expected, NotSignedIn, UnknownKey
from bearerd.config import files
from bearerd.config.model import Issuer
from bearerd.errors import IssuerFault
from bearerd.issuers import discovery
from bearerd.issuers.faults import Reason
from bearerd.issuers.fetch import Fetcher
from bearerd.issuers.remote import Remote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bearerd.config.model import Approvals
    from bearerd.issuers.keyset import KeySet
    from bearerd.limits import Limits

METADATA_LIFE: Final = 600.0  # seconds
KEYS_LIFE: Final = 300.0
KEYS_PAUSE: Final = 10.0  # between two fetches for an unknown kid
_REFUSALS: Final = {  # RFC 6749 section 5.2; the provider's own words are not repeated
    400: "it does not take the code (used before, or too old), or not this client as approvals.client_id names it",
    401: "it does not take approvals.client_id with approvals.client_secret_file as they are",
}
FAULT_SECONDS: Final = 5.0  # for so long a provider that failed is not asked again
_MOST_MEMBERS: Final = 1024
_T = TypeVar("_T")


class StillAway(IssuerFault):
    """Somebody else asked a moment ago, and it failed; that was told then."""


class _Kept(Generic[_T]):
    """What the provider said last.

    Strangers have it asked, who hold no credential: however many want it at once, it is asked once, and all of them learn
    of a fault at the same time.  One after the other they would wait for a time-out each, hold every connection of the
    page while they do, and keep those out who signed in before.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._said: tuple[float, _T] | None = None  # since when
        self._fault: tuple[float, IssuerFault] | None = None

    async def get(self, life: float, ask: Callable[[_T | None], Awaitable[_T]]) -> _T:
        """What is no older than ``life``; ``ask`` is given what was known before.  Raises IssuerFault."""
        async with self._turn:
            if self._said is not None and clock.boot() - self._said[0] <= life:
                return self._said[1]
            if self._fault is not None and clock.boot() - self._fault[0] < FAULT_SECONDS:
                raise StillAway(self._fault[1].reason, str(self._fault[1]))
            try:
                said = await ask(None if self._said is None else self._said[1])
            except IssuerFault as fault:
                self._fault = clock.boot(), fault
                raise
            self._said, self._fault = (clock.boot(), said), None
            return said


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in under way; the browser carries it, sealed."""

    state: str
    nonce: str
    verifier: str
    since: float  # epoch seconds

    @classmethod
    def begin(cls, now: float) -> Attempt:
        """A new one."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), now)

    @property
    def challenge(self) -> str:
        """Of the verifier, by S256 (RFC 7636 section 4.2)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Provider:
    """As much of the provider's metadata as is used."""

    authorize: str
    token: str
    by_post: bool  # the client's secret goes into the form
    names_itself: bool  # RFC 9207: the answer holds ``iss``
    pairwise: bool  # each client knows a person by another subject


class Login:
    """Of one ``[approvals]`` table."""

    def __init__(self, settings: Approvals, limits: Limits) -> None:
        self.settings: Final = settings
        self._limits = limits
        self._issuer = settings.issuer or ""
        config = Issuer(
            issuer=self._issuer,
            name="approvals",
            ca_file=settings.ca_file,
            algorithms=idtoken.ALGORITHMS,
            insecure_issuer=self._issuer.startswith("http:"),  # which the production profile has refused at load
        )
        self._fetcher = Fetcher(config, limits.max_key_set_bytes)
        self._remote = Remote(config, limits)
        self._provider = _Kept[Provider]()
        self._keys = _Kept["KeySet"]()

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends the browser back to."""
        return f"{(self.settings.url or '').rstrip('/')}/callback"

    async def provider(self) -> Provider:
        """Its metadata.  Raises IssuerFault."""

        async def ask(known: Provider | None) -> Provider:
            place, _ = discovery.locations(self._issuer)
            return self._read((await self._fetcher.get(place)).body)

        return await self._provider.get(METADATA_LIFE, ask)

    async def place(self, attempt: Attempt) -> str:
        """Where the browser goes to sign in.  Raises IssuerFault.

        ``prompt=login`` and ``max_age=0`` say the same, for the sake of providers that know but one of them: the person is
        asked again, and ``auth_time`` is told.
        """
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id or "",
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
            "prompt": "login",
            "max_age": "0",
        }
        parts = urlsplit((await self.provider()).authorize)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *asked.items()])
        return urlunsplit(parts._replace(query=query, fragment=""))

    async def finish(self, attempt: Attempt, code: str, now: float) -> dict[str, Any]:
        """The claims of whoever signed in.  Raises NotSignedIn, IssuerFault."""
        answer = await self._exchange(await self.provider(), attempt, code)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotSignedIn("the provider gave no ID token")
        expected = Expected(self._issuer, self.settings.client_id or "", attempt.nonce, attempt.since)
        try:
            return idtoken.read(token, await self._key_set(KEYS_LIFE), expected, now, self._limits)
        except UnknownKey:
            return idtoken.read(token, await self._key_set(KEYS_PAUSE), expected, now, self._limits)

    async def _exchange(self, provider: Provider, attempt: Attempt, code: str) -> Mapping[str, Any]:
        """The code for tokens (RFC 6749 section 4.1.3).  Nothing of the answer but the ID token is kept."""
        name = self.settings.client_id or ""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        authorization = None
        secret = await asyncio.to_thread(self._secret)
        if secret is None:
            form["client_id"] = name
        elif provider.by_post:
            form |= {"client_id": name, "client_secret": secret}
        else:
            pair = f"{quote_plus(name)}:{quote_plus(secret)}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        try:
            return self._parsed(await self._fetcher.post(provider.token, form, authorization))
        except IssuerFault as fault:
            if fault.status not in _REFUSALS:
                raise
            # No outage: it would say the same to whoever tried again with this code.
            raise NotSignedIn(f"{fault}: {_REFUSALS[fault.status]}") from None

    async def _key_set(self, life: float) -> KeySet:
        return await self._keys.get(life, self._remote.fetch)

    def _secret(self) -> str | None:
        path = self.settings.client_secret_file
        try:
            return None if path is None else files.read_secret(path).decode()
        except (OSError, ValueError):
            raise IssuerFault(Reason.LOCAL_FILE, "approvals.client_secret_file cannot be read") from None

    def _read(self, document: bytes) -> Provider:
        said = self._parsed(document)
        if said.get("issuer") != self._issuer:
            raise IssuerFault(Reason.WRONG_ISSUER, "the metadata is another issuer's")
        authorize, token = said.get("authorization_endpoint"), said.get("token_endpoint")
        schemes = ("https://", "http://") if self._issuer.startswith("http:") else ("https://",)
        for place in (authorize, token):
            if not isinstance(place, str) or not place.startswith(schemes):
                raise IssuerFault(Reason.BAD_DOCUMENT, "the metadata has no usable endpoints for a sign-in")
        methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        subjects = said.get("subject_types_supported") or ["public"]
        return Provider(
            str(authorize),
            str(token),
            by_post="client_secret_basic" not in methods and "client_secret_post" in methods,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            pairwise="public" not in subjects,
        )

    def _parsed(self, document: bytes) -> dict[str, Any]:
        try:
            return jsonobject.read(document, self._limits.max_json_depth, _MOST_MEMBERS)
        except jsonobject.Malformed:
            raise IssuerFault(Reason.BAD_JSON, "what the provider answered is not JSON that can be read") from None
