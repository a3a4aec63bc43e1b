"""The development issuer behind ``bearerd issuer``: a small OAuth server for demos and tests, on loopback only.

It gives a token for any resource and any scope to any client that asks, so nothing but a configuration of the development
profile should trust it.  It speaks OpenID Connect Discovery, RFC 8414, RFC 7517 and the client credentials grant
(RFC 6749 section 4.4) with resource indicators (RFC 8707); tokens have the shape of RFC 9068.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlsplit

import orjson
from aiohttp import web

from bearerd._native import clock
from bearerd.issuers.signing import KeyChain
from bearerd.jws.keys import text
from bearerd.jws.signing import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from multidict import MultiDictProxy

    Form = MultiDictProxy[str | bytes | bytearray | web.FileField]

LIFETIME: Final = 300  # seconds
LONGEST: Final = 24 * 3600  # seconds
_MOST_BODY: Final = 16 * 1024  # bytes


class DevelopmentIssuer:
    """Keys, metadata and tokens of one issuer.  ``issuer`` is its identifier: the URL that it is reached by."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.issuer: Final = issuer
        self._keys = KeyChain(folder)

    def mint(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        alg: str = "RS256",
        lifetime: float = LIFETIME,
        header: Mapping[str, Any] | None = None,
    ) -> str:
        """A signed token.  ``claims`` and ``header`` override what it would have; a value of None leaves a member out.

        ``lifetime`` (seconds) may be negative: an expired token.
        """
        key = self._keys.current[alg]
        now = int(clock.wall())
        defaults: dict[str, Any] = {
            "iss": self.issuer,
            "iat": now,
            "exp": now + int(lifetime),
            "jti": secrets.token_hex(16),
        }
        names: dict[str, Any] = {"alg": alg, "kid": key.kid, "typ": "at+jwt"}
        signing_input = f"{_segment(names, header)}.{_segment(defaults, claims)}"
        return f"{signing_input}.{text(key.sign(signing_input.encode()))}"

    def jwks(self) -> dict[str, Any]:
        """The JWK Set."""
        return self._keys.jwks()

    def rotate(self, *, overlap: bool = True) -> dict[str, str]:
        """New signing keys, by ``alg``; without ``overlap`` the old ones leave the key set at once."""
        self._keys.rotate(overlap=overlap)
        return {alg: key.kid for alg, key in self._keys.current.items()}

    def metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2."""
        base = self.issuer.removesuffix("/")
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{base}/jwks",
            "token_endpoint": f"{base}/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
        }


def application(issuer: DevelopmentIssuer) -> web.Application:
    """The HTTP side, under the path of the issuer's URL."""
    parts = urlsplit(issuer.issuer)
    path = parts.path.removesuffix("/")
    app = web.Application(middlewares=[_only_local(parts.hostname or "")], client_max_size=_MOST_BODY)

    async def metadata(_request: web.Request) -> web.Response:
        return _json(issuer.metadata())

    async def jwks(_request: web.Request) -> web.Response:
        return _json(issuer.jwks(), headers={"Cache-Control": "max-age=60"})

    async def token(request: web.Request) -> web.Response:
        try:
            return _token(issuer, await request.post(), request.headers.get("Authorization", ""))
        except _Refused as refused:
            return _json({"error": refused.error, "error_description": str(refused)}, status=refused.status)

    async def rotate(request: web.Request) -> web.Response:
        overlap = (await request.post()).get("overlap", "true") != "false"
        return _json({"kids": issuer.rotate(overlap=overlap)})

    app.router.add_get(f"{path}/.well-known/openid-configuration", metadata)
    app.router.add_get(f"/.well-known/oauth-authorization-server{path}", metadata)
    app.router.add_get(f"{path}/jwks", jwks)
    app.router.add_post(f"{path}/token", token)
    app.router.add_post(f"{path}/rotate", rotate)
    return app


async def start(issuer: DevelopmentIssuer, host: str, port: int) -> web.AppRunner:
    """Serve on a loopback address until ``runner.cleanup()``.  Raises ValueError for any other address, OSError."""
    if not _loopback(host):
        raise ValueError(f"the development issuer listens on loopback only, not on {host}")
    runner = web.AppRunner(application(issuer), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


class _Refused(Exception):
    """RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.status = error, status


def _token(issuer: DevelopmentIssuer, form: Form, authorization: str) -> web.Response:
    """The client credentials grant.  ``lifetime`` (seconds), ``alg``, ``sub`` and ``roles`` are ours, for trying things."""
    fields = _single(form)
    if fields.get("grant_type") != "client_credentials":
        raise _Refused("unsupported_grant_type", "only client_credentials")
    client = _client(fields, authorization)
    resources = [str(value) for value in form.getall("resource", [])]
    if not resources:
        raise _Refused("invalid_target", "name the resource that the token is for (RFC 8707)")
    alg, lifetime = fields.get("alg", "RS256"), fields.get("lifetime", str(LIFETIME))
    if alg not in ALGORITHMS or not (
        lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 7 and int(lifetime) <= LONGEST
    ):
        raise _Refused("invalid_request", f"alg is one of {', '.join(ALGORITHMS)}; lifetime at most {LONGEST} seconds")
    claims = {
        "sub": fields.get("sub", client),
        "client_id": client,
        "aud": resources[0] if len(resources) == 1 else resources,
        "scope": fields.get("scope") or None,
        "roles": fields["roles"].split() if "roles" in fields else None,
    }
    answer: dict[str, Any] = {
        "access_token": issuer.mint(claims, alg=alg, lifetime=int(lifetime)),
        "token_type": "Bearer",
        "expires_in": int(lifetime),
    }
    if claims["scope"]:
        answer["scope"] = claims["scope"]
    return _json(answer, headers={"Cache-Control": "no-store"})


def _single(form: Form) -> dict[str, str]:
    """The form's fields but ``resource``, each given once and as text (RFC 6749 section 3.2)."""
    fields: dict[str, str] = {}
    for name, value in form.items():
        if name == "resource":
            continue
        if name in fields or not isinstance(value, str):
            raise _Refused("invalid_request", "a parameter is given twice, or is a file")
        fields[name] = value
    return fields


def _client(fields: Mapping[str, str], authorization: str) -> str:
    """The client's name, by Basic or in the body (RFC 6749 section 2.3.1).  Any secret will do."""
    if authorization[:6].lower() == "basic ":
        try:
            name, _, secret = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = secret = ""
        name = unquote_plus(name)
    else:
        name, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if not name or not secret:
        raise _Refused("invalid_client", "client_id and client_secret, by Basic or in the body; any will do", 401)
    return name


def _only_local(own: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Refuse whoever is not on this machine, and web pages that are: by Origin, or by a name of theirs that points here."""

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = urlsplit(f"//{request.host}").hostname or ""
        if not _loopback(request.remote or "") or "Origin" in request.headers or not (_loopback(host) or host == own):
            raise web.HTTPForbidden(text="for programs on this machine only\n")
        return await handler(request)

    return check


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _segment(defaults: Mapping[str, Any], own: Mapping[str, Any] | None) -> str:
    members = {name: value for name, value in {**defaults, **(own or {})}.items() if value is not None}
    return text(orjson.dumps(members))


def _json(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)
