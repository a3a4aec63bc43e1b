"""Authorization fields in every odd spelling: only one field with one good token is a credential; no field is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.house import API, House, config, token

if TYPE_CHECKING:
    from pathlib import Path

RULES = ({"path": "/maybe", "auth": "optional"}, {"path": "/open", "auth": "none"}, {"path": "/**"})
GOOD = token()
FIELDS: dict[str, list[tuple[str, str | bytes]]] = {
    "empty": [("Authorization", "")],
    "white space": [("Authorization", " \t ")],
    "the scheme alone": [("Authorization", "Bearer")],
    "the scheme and a space": [("Authorization", "Bearer ")],
    "no scheme": [("Authorization", GOOD)],
    "two spaces": [("Authorization", f"Bearer  {GOOD}")],
    "a tab": [("Authorization", f"Bearer\t{GOOD}")],
    "a colon": [("Authorization", f"Bearer:{GOOD}")],
    "the scheme twice": [("Authorization", f"Bearer Bearer {GOOD}")],
    "padding": [("Authorization", f"Bearer {GOOD}=")],
    "quotes": [("Authorization", f'Bearer "{GOOD}"')],
    "a parameter behind": [("Authorization", f"Bearer {GOOD} realm=x")],
    "a fourth segment": [("Authorization", f"Bearer {GOOD}.e30")],
    "not ASCII": [("Authorization", f"Bearer {GOOD}".encode() + b"\xc2\xa0")],
    "a no-break space": [("Authorization", b"Bearer\xa0" + GOOD.encode())],
    "another scheme": [("Authorization", "Basic dTpw")],
    "DPoP": [("Authorization", f"DPoP {GOOD}")],
    "two fields": [("Authorization", f"Bearer {GOOD}"), ("Authorization", f"Bearer {GOOD}")],
    "two fields, spelled differently": [("Authorization", f"Bearer {GOOD}"), ("aUTHORIZATION", "Basic dTpw")],
    "an empty one beside": [("Authorization", ""), ("authorization", f"Bearer {GOOD}")],
    "joined by a comma": [("Authorization", f"Bearer {GOOD}, Bearer {GOOD}")],
    "a comma behind": [("Authorization", f"Bearer {GOOD},")],
    "a comma before": [("Authorization", f",Bearer {GOOD}")],
}


@pytest.mark.parametrize("uri", ["/x", "/maybe", "/maybe?access_token=x"])
@pytest.mark.parametrize("name", FIELDS)
async def test_an_odd_field_is_neither_a_credential_nor_none(tmp_path: Path, name: str, uri: str) -> None:
    tables = {"resource": {"api": {"identifier": API, "gateway": "forwarded", "rule": RULES}}}
    async with House(config(tmp_path, **tables), tmp_path) as house:
        assert (await house.auth(None, "GET", uri, *FIELDS[name])).status == 401


QUERIES = ["access_token=x", "a&access_token", "a=b;access_token=", "%61ccess%5Ftoken=x", "a?b&access_token=%20"]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_token_in_the_query_is_a_second_credential_but_for_open_rules(tmp_path: Path, query: str) -> None:
    tables = {"resource": {"api": {"identifier": API, "gateway": "forwarded", "rule": RULES}}}
    async with House(config(tmp_path, **tables), tmp_path) as house:
        for credential, path in ((GOOD, "/x"), (GOOD, "/maybe"), (None, "/maybe")):
            reply = await house.auth(credential, "GET", f"{path}?{query}")
            assert (reply.status, house.why(reply)) == (401, "ambiguous_credentials")
        assert (await house.auth(GOOD, "GET", f"/open?{query}")).status == 200


@pytest.mark.parametrize("name", ["Proxy-Authorization", "X-Forwarded-Authorization", "Authorization_", "Cookie"])
async def test_no_other_field_is_a_credential(tmp_path: Path, name: str) -> None:
    async with House(config(tmp_path), tmp_path) as house:
        reply = await house.auth(None, "GET", "/", (name, f"Bearer {GOOD}"))
        assert (reply.status, house.why(reply)) == (401, "missing_token")
