"""Against a real OAuth server: its metadata, its key set and its tokens, while its keys rotate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import jwt
import pytest
from support.issuer import until
from support.keepers import Fleet, Worker, running
from support.oidc import OAuthError, OidcProvider, start_oidc_provider

from bearerd.jws import header
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.jws.keys import Key
from bearerd.refusals import Code, Refusal

API = "https://api.example.com"


@pytest.fixture(scope="module", params=["RS256", "ES256", "EdDSA"])
def provider(request: pytest.FixtureRequest) -> Iterator[OidcProvider]:
    with start_oidc_provider(algorithm=request.param, clients=("one", "two")) as started:
        yield started


def table(provider: OidcProvider, **settings: object) -> dict[str, object]:
    return {"issuer": provider.issuer_url, "insecure_issuer": True} | settings


async def key_of(worker: Worker, provider: OidcProvider, token: str) -> object:
    """Select the key as the verifier does, and check the signature with it."""
    named = jwt.get_unverified_header(token)
    alg = ALGORITHMS[named["alg"]]
    found = await worker.resolve(provider.issuer_url, named["kid"], alg)
    if isinstance(found, Key):
        signing_input, _, signature = token.rpartition(".")
        found.verify(alg, signing_input.encode(), jwt.utils.base64url_decode(signature))
    return found


async def test_tokens_are_what_rfc_9068_says(provider: OidcProvider) -> None:
    token = provider.token(API, "read write", client="two", lifetime=60)
    named = header.read(jwt.utils.base64url_decode(token.split(".")[0]))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert named.alg.name == provider.algorithm
    assert named.members["typ"] == "at+jwt"
    assert (claims["iss"], claims["aud"], claims["scope"]) == (provider.issuer_url, API, "read write")
    assert (claims["sub"], claims["client_id"]) == ("two", "two")
    assert claims["exp"] - claims["iat"] == 60


async def test_its_keys_load_and_verify_its_tokens(provider: OidcProvider) -> None:
    worker = Worker(table(provider))
    assert isinstance(await key_of(worker, provider, provider.token(API, "read")), Key)
    assert worker.only().key_set is not None
    assert worker.only().key_set.problems == ()


async def test_a_rotation_with_overlap_refuses_no_token(provider: OidcProvider) -> None:
    """Old tokens and new ones, at each of several workers, before, while and after each of three rotations."""
    fleet = Fleet()
    workers = [Worker(table(provider, unknown_kid_cooldown=0.05), fleet=fleet) for _ in range(3)]
    tokens = [provider.token(API)]
    found: list[object] = []
    async with running(*workers):
        for _ in range(3):
            rotation = asyncio.create_task(asyncio.to_thread(provider.rotate))
            while not rotation.done():
                found += await asyncio.gather(
                    *(key_of(worker, provider, token) for worker in workers for token in tokens)
                )
            tokens.append(provider.token(API))
            found += await asyncio.gather(*(key_of(worker, provider, token) for worker in workers for token in tokens))
            await asyncio.sleep(0.06)  # a rotation is allowed to be rarer than the cool-down
    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 4
    assert [refusal for refusal in found if not isinstance(refusal, Key)] == []


async def test_without_overlap_the_old_key_stops_verifying_with_the_fetch_that_shows_it(provider: OidcProvider) -> None:
    worker = Worker(table(provider, unknown_kid_cooldown=600.0))
    old = provider.token(API)
    assert isinstance(await key_of(worker, provider, old), Key)
    provider.rotate(overlap=False)
    assert isinstance(await key_of(worker, provider, provider.token(API)), Key)
    refusal = await key_of(worker, provider, old)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.UNKNOWN_KEY


async def test_the_background_sees_a_rotation_without_any_token(provider: OidcProvider) -> None:
    worker = Worker(table(provider, key_set_refresh=0.2))
    async with running(worker):
        await until(lambda: worker.only().key_set)
        kid = provider.rotate()
        await until(lambda: worker.only().key_set and worker.only().key_set.holds(kid))


def test_a_wrong_secret_gets_no_token(provider: OidcProvider) -> None:
    secret = provider.clients["one"]
    provider.clients["one"] = "wrong"
    try:
        with pytest.raises(OAuthError, match="invalid_client"):
            provider.token(API)
    finally:
        provider.clients["one"] = secret
