"""The page of a real bearerd, and people who sign in to it at a real OpenID provider: npm's oidc-provider, with its own forms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

pytest.importorskip("httpx2", reason="the MCP SDK is absent: pip install 'bearerd[sdks]'")

import httpx2
from stage import free_port
from support.approvals_page import hidden, served
from support.bearerd import Answer, Bearerd, config, request, wait_for
from support.house import token
from support.mcp_stage import authorization_server, installed
from support.person import walked

from bearerd.refusals import Approval, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.valkey import Valkey

    from bearerd.store.client import Client

NOTES = "https://notes.example/mcp"
RESOURCE = f"""
[resource.notes]
identifier = "{NOTES}"
kind = "mcp"
gateway = "envoy"

[[resource.notes.rule]]
tool = "delete_*"
confirm = true

[[resource.notes.rule]]
tool = "*"
"""
APPROVALS = """
[approvals]
listen = "127.0.0.1:{port}"
url = "http://127.0.0.1:{port}"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret_file = "approvals.secret"
approvers = {{ roles = ["approver"], claims = {{ sub = "bob" }} }}

[store]
url = "{store}"
fleet = "approvals-oidc-provider"
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with authorization_server(installed()) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def bearerd(issuer: str, approvals_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    folder, port = tmp_path_factory.mktemp("oidc-provider"), free_port()
    client = registered(issuer, f"http://127.0.0.1:{port}")
    (folder / "approvals.secret").write_text(client["client_secret"])
    more = APPROVALS.format(port=port, issuer=issuer, client_id=client["client_id"], store=approvals_server.url)
    with Bearerd(folder, config(workers=2, resource=RESOURCE, more=more)) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as browser:
        yield browser


def registered(issuer: str, page: str, **metadata: str) -> dict[str, Any]:
    """The page's own client at the provider (RFC 7591)."""
    asked = {"client_name": "approvals", "redirect_uris": [f"{page}/callback"], **metadata}
    said = httpx2.post(f"{issuer}/reg", json=asked, trust_env=False)
    assert said.status_code == 201, said.text
    return dict(said.json())


@dataclass(frozen=True)
class Visit:
    """Somebody in front of the page, in this browser."""

    browser: httpx2.AsyncClient
    page: str  # its origin
    person: str

    async def sent(self, path: str) -> str:
        """Where who comes to this path is sent to sign in; nothing is shown."""
        answer = await self.browser.get(self.page + path)
        assert (answer.status_code, answer.text) == (303, "")
        return str(answer.headers["location"])

    async def back(self, place: str) -> tuple[httpx2.Response, list[str]]:
        """What the page says to who comes back from there, and what the provider asked this person for."""
        said, asked = await walked(self.browser, place, f"{self.page}/callback", self.person)
        return await self.browser.get(f"{self.page}/callback", params=said), asked

    async def shown(self, path: str) -> str:
        """What stands there, to who is signed in."""
        answer = await self.browser.get(self.page + path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        answer = await self.browser.post(self.page + path, data=form, headers={"Origin": self.page})
        return answer.status_code, answer.text


def called(bearerd: Bearerd, **arguments: str) -> Answer:
    """An agent's call, as Envoy asks about it."""
    params = {"name": "delete_notes", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    fields = {
        "Authorization": f"Bearer {token(aud=NOTES)}",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": "2025-11-25",
    }
    return request(bearerd.address, "POST", "/ext_authz/notes/mcp", fields, json.dumps(message).encode())


def pending(bearerd: Bearerd, **arguments: str) -> tuple[str, str]:
    """Make a call that must be approved first: the page's origin, and the path of what is to be approved."""
    refused = called(bearerd, **arguments)
    assert refused.status == 403
    approval = refused.json()["error"]["data"]["approval"]
    assert approval["state"] == "pending"
    parts = urlsplit(approval["url"])
    return f"{parts.scheme}://{parts.netloc}", parts.path


def without(place: str, *names: str) -> str:
    """An authorization request that lacks these parameters."""
    parts = urlsplit(place)
    return parts._replace(query=urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in names])).geturl()


async def test_a_person_signs_in_reads_the_call_and_lets_it_pass_once(
    bearerd: Bearerd, issuer: str, browser: httpx2.AsyncClient
) -> None:
    page, path = pending(bearerd, name="ledger-1997", why="<b>old</b>")
    visit = Visit(browser, page, "bob")
    place = await visit.sent(path)
    assert place.startswith(f"{issuer}/auth?")
    query = dict(parse_qsl(urlsplit(place).query))
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    answer, asked = await visit.back(place)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert asked == ["login", "consent"]

    text = await visit.shown(path)
    for word in ("alice", "delete_notes", "ledger-1997", "&lt;b&gt;old&lt;/b&gt;", "bob"):
        assert word in text
    form = hidden(text)
    assert (await visit.post(f"{path}/approve", form | {"csrf": "guessed"}))[0] == 403
    assert called(bearerd, name="ledger-1997", why="<b>old</b>").status == 403
    status, text = await visit.post(f"{path}/approve", form)
    assert (status, "may be made once" in text) == (200, True)

    assert called(bearerd, name="ledger-1998", why="<b>old</b>").status == 403
    assert [called(bearerd, name="ledger-1997", why="<b>old</b>").status for _ in range(2)] == [200, 403]

    def acts() -> dict[str, dict[str, Any]]:
        told = bearerd.events("approval")
        return {one["act"]: one for one in told if path.endswith(one["approval"])}

    wait_for(lambda: acts().keys() == {"opened", "approved", "used"})  # each worker writes when it has the time
    assert acts()["approved"]["by_iss"] == issuer


@pytest.mark.parametrize("person", ["mallory", "carol"], ids=["without the role", "another subject"])
async def test_who_is_no_approver_signs_in_and_is_let_no_further(
    bearerd: Bearerd, browser: httpx2.AsyncClient, person: str
) -> None:
    page, path = pending(bearerd, name=f"diary of {person}")
    visit = Visit(browser, page, person)
    answer, asked = await visit.back(await visit.sent(path))
    assert asked == ["login", "consent"]
    assert (answer.status_code, "Not an approver" in answer.text, "diary" in answer.text) == (403, True, False)
    await visit.sent(path)  # nobody is signed in to the page
    assert (await visit.post(f"{path}/approve", {"csrf": "", "seen": ""}))[0] == 401
    assert pending(bearerd, name=f"diary of {person}") == (page, path)


async def test_who_comes_again_is_asked_again_though_the_provider_still_knows_them(
    bearerd: Bearerd, browser: httpx2.AsyncClient
) -> None:
    page, path = pending(bearerd, name="songs")
    visit = Visit(browser, page, "bob")
    assert (await visit.back(await visit.sent(path)))[1] == ["login", "consent"]
    assert (await visit.post("/logout", hidden(await visit.shown(path))))[0] == 200

    # Whoever takes from the request what makes the provider ask gets a code at once, and it counts for nothing here.
    answer, asked = await visit.back(without(await visit.sent(path), "prompt", "max_age"))
    assert asked == []
    assert (answer.status_code, "does not count here" in answer.text) == (403, True)
    (refused,) = wait_for(lambda: bearerd.events("a sign-in was refused"))
    assert refused["detail"] == "auth_time is missing or no number"

    place = await visit.sent(path)
    query = dict(parse_qsl(urlsplit(place).query))
    assert (query["prompt"], query["max_age"]) == ("login", "0")
    answer, asked = await visit.back(place)
    assert (answer.status_code, asked) == (303, ["login"])
    assert "songs" in await visit.shown(path)


async def test_a_sign_in_that_has_grown_too_old_is_made_anew(
    client: Client, issuer: str, browser: httpx2.AsyncClient
) -> None:
    """By a public client.  Our clock goes from behind the provider's to before it: all of ``login_max_age`` passes meanwhile."""
    async with served(client, issuer) as (floor, page):
        name = registered(issuer, page, token_endpoint_auth_method="none")["client_id"]
        floor.configure(client_id=name, login_max_age=30.0)
        told = await floor.ask()
        assert isinstance(told, Refusal)
        assert told.approval is not None
        path = f"/a/{told.approval.id}"
        visit = Visit(browser, page, "bob")
        floor.ahead = -15.0
        assert (await visit.back(await visit.sent(path)))[1] == ["login", "consent"]
        form = hidden(await visit.shown(path))
        floor.ahead = 16.0
        assert (await visit.post(f"{path}/approve", form))[0] == 401
        answer, asked = await visit.back(await visit.sent(path))
        assert (answer.status_code, asked) == (303, ["login"])
        assert (await visit.post(f"{path}/approve", hidden(await visit.shown(path))))[0] == 200
        assert isinstance(await floor.ask(), Approval)
        assert isinstance(await floor.ask(), Refusal)
