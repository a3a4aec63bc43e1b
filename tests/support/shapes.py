"""Access tokens as well-known issuers shape them, after their public documentation, with keys of our own.

Each shape: what would be configured, the header and the claims, and what should be read of them.  Values are invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WALL = 1_700_000_000
TENANT = "3b1c2a4e-9f5d-4d1f-8a55-0c6f1f2e7a10"


@dataclass(frozen=True)
class Shape:
    name: str
    issuer: str
    header: dict[str, Any]
    claims: dict[str, Any]
    subject: str
    client: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    audience: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)  # what its ID token has beside or instead


AUTH0 = Shape(
    name="auth0",
    issuer="https://example.eu.auth0.com/",
    header={"alg": "RS256", "typ": "JWT", "kid": "auth0-kid"},
    claims={
        "https://example.com/roles": ["editor"],
        "iss": "https://example.eu.auth0.com/",
        "sub": "auth0|64f0c2a1b2c3d4e5f6a7b8c9",
        "aud": ["https://api.example.com", "https://example.eu.auth0.com/userinfo"],
        "iat": WALL,
        "exp": WALL + 86400,
        "azp": "AbCdEf0123456789",
        "scope": "openid profile read:messages",
        "permissions": ["read:messages", "write:messages"],
    },
    subject="auth0|64f0c2a1b2c3d4e5f6a7b8c9",
    client="AbCdEf0123456789",
    scopes=("openid", "profile", "read:messages", "write:messages"),
    roles=("editor",),
    audience=("https://api.example.com", "https://example.eu.auth0.com/userinfo"),
    config={"scope_claims": ("scope", "permissions"), "role_claims": ("https://example.com/roles",)},
    id_token={"at_hash": "x", "nonce": "n"},
)

AUTH0_RFC9068 = Shape(
    name="auth0-rfc9068",
    issuer="https://example.eu.auth0.com/",
    header={"alg": "RS256", "typ": "at+jwt", "kid": "auth0-kid"},
    claims={
        "iss": "https://example.eu.auth0.com/",
        "sub": "AbCdEf0123456789@clients",
        "aud": "https://api.example.com",
        "iat": WALL,
        "exp": WALL + 86400,
        "jti": "vN7bHkq2hYpcRzTmA1",
        "client_id": "AbCdEf0123456789",
        "scope": "read:messages",
        "gty": "client-credentials",
    },
    subject="AbCdEf0123456789@clients",
    client="AbCdEf0123456789",
    scopes=("read:messages",),
    roles=(),
    audience=("https://api.example.com",),
    config={"rfc9068": True},
)

ENTRA_V2 = Shape(
    name="entra-v2",
    issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
    header={"typ": "JWT", "alg": "RS256", "kid": "entra-kid"},
    claims={
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "iat": WALL - 300,
        "nbf": WALL - 300,
        "exp": WALL + 4500,
        "aio": "AXQAi/8TAAAA",
        "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e4",
        "azpacr": "1",
        "name": "Alice Example",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "alice@example.com",
        "rh": "0.AAAA",
        "roles": ["Files.Admin"],
        "scp": "Files.Read User.Read",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT,
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    },
    subject="HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    client="6e74172b-be56-4843-9ff4-e66a39bb12e4",
    scopes=("Files.Read", "User.Read"),
    roles=("Files.Admin",),
    audience=("6e74172b-be56-4843-9ff4-e66a39bb12e3",),
    id_token={"c_hash": "x"},
)

ENTRA_V1 = Shape(
    name="entra-v1",
    issuer=f"https://sts.windows.net/{TENANT}/",
    header={"typ": "JWT", "alg": "RS256", "x5t": "entra-kid", "kid": "entra-kid"},
    claims={
        "aud": "api://example",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": WALL,
        "nbf": WALL,
        "exp": WALL + 3900,
        "appid": "6e74172b-be56-4843-9ff4-e66a39bb12e4",
        "appidacr": "1",
        "idp": f"https://sts.windows.net/{TENANT}/",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e475",
        "roles": ["Daemon.Run"],
        "sub": "690222be-ff1a-4d56-abd1-7e4f7d38e475",
        "tid": TENANT,
        "ver": "1.0",
    },
    subject="690222be-ff1a-4d56-abd1-7e4f7d38e475",
    client="6e74172b-be56-4843-9ff4-e66a39bb12e4",
    scopes=(),
    roles=("Daemon.Run",),
    audience=("api://example",),
)

OKTA = Shape(
    name="okta",
    issuer="https://example.okta.com/oauth2/default",
    header={"kid": "okta-kid", "alg": "RS256"},
    claims={
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://example.okta.com/oauth2/default",
        "aud": "api://default",
        "iat": WALL,
        "exp": WALL + 3600,
        "cid": "0oa1abcd2EFGHI3jk4x7",
        "uid": "00u1abcd2EFGHI3jk4x7",
        "scp": ["openid", "messages.read"],
        "auth_time": WALL - 60,
        "groups": ["Everyone", "Billing Admins"],
        "sub": "alice@example.com",
    },
    subject="alice@example.com",
    client="0oa1abcd2EFGHI3jk4x7",
    scopes=("openid", "messages.read"),
    roles=("Everyone", "Billing Admins"),
    audience=("api://default",),
    config={"role_claims": ("groups",)},
    id_token={"at_hash": "x"},
)

KEYCLOAK = Shape(
    name="keycloak",
    issuer="https://sso.example.com/realms/shop",
    header={"alg": "RS256", "typ": "JWT", "kid": "keycloak-kid"},
    claims={
        "exp": WALL + 300,
        "iat": WALL,
        "auth_time": WALL - 5,
        "jti": "onrtac:8e5d0a7c-8a6d-4c4c-9f0e-0d8f5f4f2f11",
        "iss": "https://sso.example.com/realms/shop",
        "aud": ["shop-api", "account"],
        "sub": "f3f6a2f0-4b55-4a4e-8f0b-1f0c8f6d3c2b",
        "typ": "Bearer",
        "azp": "shop-web",
        "sid": "5b7f6f0e-29d3-4e5e-9d53-5a3d5a4f0b11",
        "acr": "1",
        "allowed-origins": ["https://shop.example.com"],
        "realm_access": {"roles": ["offline_access", "buyer"]},
        "resource_access": {"shop-api": {"roles": ["refund"]}, "account": {"roles": ["view-profile"]}},
        "scope": "profile email",
        "email_verified": True,
        "preferred_username": "alice",
    },
    subject="f3f6a2f0-4b55-4a4e-8f0b-1f0c8f6d3c2b",
    client="shop-web",
    scopes=("profile", "email"),
    roles=("offline_access", "buyer", "refund"),
    audience=("shop-api", "account"),
    config={"role_claims": ("roles", "realm_access.roles", "resource_access.shop-api.roles")},
    id_token={"typ": "ID", "at_hash": "x"},
)

COGNITO = Shape(
    name="cognito",
    issuer="https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
    header={"kid": "cognito-kid", "alg": "RS256"},
    claims={
        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "cognito:groups": ["admins"],
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
        "version": 2,
        "client_id": "xxxxxxxxxxxxexample",
        "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-000000000000",
        "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin orders/read",
        "auth_time": WALL,
        "exp": WALL + 3600,
        "iat": WALL,
        "jti": "aaaaaaaa-bbbb-cccc-dddd-111111111111",
        "username": "alice",
    },
    subject="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    client="xxxxxxxxxxxxexample",
    scopes=("aws.cognito.signin.user.admin", "orders/read"),
    roles=("admins",),
    audience=(),
    config={"role_claims": ("cognito:groups",)},
    id_token={"at_hash": "x", "token_use": "id"},
)

SHAPES = (AUTH0, AUTH0_RFC9068, ENTRA_V2, ENTRA_V1, OKTA, KEYCLOAK, COGNITO)
