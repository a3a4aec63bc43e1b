"""Where one issuer's keys are, as long as they come from there."""

from __future__ import annotations

import pytest
from support.issuer import JWKS, OAUTH, OPENID, Answer, Hang, ScriptedIssuer

from bearerd.config.model import Issuer
from bearerd.errors import IssuerFault
from bearerd.issuers.remote import Remote
from bearerd.limits import Limits


def remote(server: ScriptedIssuer) -> Remote:
    return Remote(Issuer(issuer=server.issuer, insecure_issuer=True, algorithms=("ES256",)), Limits())


async def test_a_place_is_believed_once_keys_came_from_it() -> None:
    async with ScriptedIssuer() as server:
        source = remote(server)
        for _ in range(3):
            await source.fetch(None)
        assert (server.count(OPENID), server.count(JWKS)) == (1, 3)


@pytest.mark.parametrize("uri", ["http://10.0.0.1/jwks", "file:///etc/passwd", "{url}/empty", "{url}/loop"])
async def test_a_place_that_gave_no_keys_is_not_believed_for_an_hour(uri: str) -> None:
    """Else one bad answer of the metadata, long mended, would keep the keys away."""
    async with ScriptedIssuer() as server:
        source = remote(server)
        server.always("/empty", Answer({"keys": []}))
        server.always("/loop", Answer(status=302, headers={"Location": "/loop"}))
        server.on(OPENID, Answer(server.metadata() | {"jwks_uri": uri.format(url=server.url)}))
        with pytest.raises(IssuerFault):
            await source.fetch(None)
        assert [key.kid for key in (await source.fetch(None)).keys] == ["first"]


async def test_keys_are_fetched_from_where_they_were_while_only_the_metadata_are_away() -> None:
    async with ScriptedIssuer() as server:
        source = remote(server)
        await source.fetch(None)
        server.on(JWKS, Answer(status=503))
        for path in (OPENID, OAUTH):
            server.always(path, Answer(status=503))
        with pytest.raises(IssuerFault):
            await source.fetch(None)
        assert [key.kid for key in (await source.fetch(None)).keys] == ["first"]


async def test_a_place_that_the_metadata_confirm_is_not_asked_twice() -> None:
    async with ScriptedIssuer() as server:
        source = remote(server)
        await source.fetch(None)
        server.always(JWKS, Answer(status=404))
        with pytest.raises(IssuerFault, match="404"):
            await source.fetch(None)
        assert (server.count(OPENID), server.count(JWKS)) == (2, 2)


async def test_a_hanging_key_set_does_not_send_us_to_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedIssuer() as server:
        source = remote(server)
        await source.fetch(None)
        monkeypatch.setattr(source._fetcher, "_timeout", 0.1)
        server.always(JWKS, Hang())
        with pytest.raises(IssuerFault) as caught:
            await source.fetch(None)
        assert caught.value.reason == "timeout"
        assert server.count(OPENID) == 1
