"""The page: who has just signed in decides, about what was shown, from the page itself; nobody else, nowhere else."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.approving import asked, resource, verified
from support.house import token
from support.provider import SECRET
from yarl import URL

from bearerd.refusals import Approval, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.approvals_page import Desk


async def test_who_signs_in_sees_the_call_whole_and_lets_it_pass_once(desk: Desk) -> None:
    told = await desk.pending()
    assert told.url == f"{desk.url}/a/{told.id}"
    status, text = await desk.get(f"/a/{told.id}")
    assert status == 200
    for word in ("alice", "agent", "delete", "files", "https://auth.example", "/tmp/x", "bob@example.com"):
        assert word in text
    status, text = await desk.post(f"/a/{told.id}/approve", await desk.form(told.id))
    assert (status, "may be made once" in text) == (200, True)
    assert len(desk.provider.asked) == 1  # one sign-in was enough
    assert isinstance(await desk.floor.ask(), Approval)
    assert isinstance(await desk.floor.ask(), Refusal)


async def test_what_waits_is_listed_and_what_is_denied_stays_so(desk: Desk) -> None:
    told = await desk.pending()
    status, text = await desk.get("/")
    assert (status, f"/a/{told.id}" in text) == (200, True)
    status, text = await desk.post(f"/a/{told.id}/deny", await desk.form(told.id))
    assert (status, "will not be made" in text) == (200, True)
    assert "Nothing waits" in (await desk.get("/"))[1]
    assert desk.floor.count("denied") == 1


async def test_who_has_not_signed_in_is_sent_to_and_learns_nothing(desk: Desk) -> None:
    told = await desk.pending()
    for name in (told.id, "0" * 32):
        async with desk.browser.get(f"{desk.url}/a/{name}", allow_redirects=False) as answer:
            assert answer.status == 303
            place = answer.headers["Location"]
            assert place.startswith(f"{desk.provider.url}/authorize?tenant=1&")
            assert await answer.text() == ""
    query = dict(URL(place).query)
    assert (query["response_type"], query["code_challenge_method"], query["max_age"]) == ("code", "S256", "0")
    assert query["prompt"] == "login"
    assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 32
    assert query["redirect_uri"] == f"{desk.url}/callback"


async def test_a_bearer_token_opens_nothing_here(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)  # even beside a good session
    bearer = f"Bearer {token()}"
    for path in ("/", f"/a/{told.id}", "/login", "/callback?code=x&state=y", "/nowhere"):
        assert (await desk.get(path, headers={"Authorization": bearer}))[0] == 403
    assert (await desk.post(f"/a/{told.id}/approve", form, Authorization=bearer))[0] == 403
    assert (await desk.post(f"/a/{told.id}/approve", form, Authorization="Basic eDp5"))[0] == 403
    assert desk.floor.count("approved") == 0


# ---- the sign-in


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["bearerd", "another"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000},
        {"iat": 4_000_000_000},
        {"auth_time": None},
        {"auth_time": "now"},
        {"auth_time": True},
        {"auth_time": 1_700_000_000},
        {"auth_time": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_say_what_it_must_signs_nobody_in(desk: Desk, lies: dict[str, Any]) -> None:
    desk.provider.lies = lies
    status, text = await desk.get("/")
    assert (status, "Not signed in" in text) == (403, True)
    assert "bearerd-session" not in {cookie.key for cookie in desk.browser.cookie_jar}


@pytest.mark.parametrize(("alg", "number"), [("HS256", 0), ("ES256", 1), ("EdDSA", 0)])
async def test_nor_does_one_that_another_signed(desk: Desk, alg: str, number: int) -> None:
    desk.provider.alg, desk.provider.number = alg, number
    assert (await desk.get("/"))[0] == 403


async def test_a_provider_may_change_its_key(desk: Desk) -> None:
    assert (await desk.get("/"))[0] == 200
    desk.provider.number = desk.provider.published = 1
    desk.browser.cookie_jar.clear()
    assert (await desk.get("/"))[0] == 403  # it was asked a moment ago
    desk.browser.cookie_jar.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bearerd.approvals.login.KEYS_PAUSE", 0.0)
        assert (await desk.get("/"))[0] == 200


@pytest.mark.parametrize(
    ("answer", "extra"),
    [
        ({"error": "access_denied"}, {}),
        ({"state": "another", "code": "x"}, {}),
        ({"code": "never given"}, {}),
        (None, {"iss": "https://evil.example"}),
    ],
    ids=["denied", "another state", "another code", "another issuer"],
)
async def test_a_way_back_that_is_not_this_sign_in_s_is_refused(
    desk: Desk, answer: dict[str, str] | None, extra: dict[str, str]
) -> None:
    desk.provider.answer, desk.provider.extra = answer, extra
    assert (await desk.get("/"))[0] in (400, 403)
    assert "bearerd-session" not in {cookie.key for cookie in desk.browser.cookie_jar}


async def test_a_provider_that_says_it_names_itself_must(desk: Desk) -> None:
    desk.provider.metadata = {"authorization_response_iss_parameter_supported": True}
    assert (await desk.get("/"))[0] == 400
    desk.provider.extra = {"iss": desk.provider.url}
    assert (await desk.get("/"))[0] == 200


async def test_another_browser_cannot_finish_a_sign_in(desk: Desk) -> None:
    async with desk.browser.get(desk.url + "/", allow_redirects=False) as answer:
        place = answer.headers["Location"]
    async with desk.browser.get(place, allow_redirects=False) as answer:
        back = answer.headers["Location"]
    desk.browser.cookie_jar.clear()
    assert (await desk.get(back.removeprefix(desk.url)))[0] == 400


async def test_the_client_s_secret_goes_along_where_there_is_one(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    desk.floor.configure(client_secret_file=file)
    assert (await desk.get("/"))[0] == 200
    assert desk.provider.posted[-1]["basic"].startswith("Basic ")
    desk.browser.cookie_jar.clear()
    desk.floor.configure(client_secret_file=file, login_max_age=60.0)  # another table: the metadata is read anew
    desk.provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await desk.get("/"))[0] == 200
    assert desk.provider.posted[-1]["client_secret"] == SECRET


@pytest.mark.parametrize(
    "document",
    [{"issuer": "https://evil.example"}, {"token_endpoint": None}, {"authorization_endpoint": "javascript:x"}],
)
async def test_metadata_that_is_another_s_or_has_no_endpoints_signs_nobody_in(desk: Desk, document: Any) -> None:
    desk.provider.metadata = document
    assert (await desk.get("/"))[0] == 503


@pytest.mark.parametrize("claims", [{"roles": ["reader"]}, {"roles": []}, {"roles": None}, {"roles": ["approver "]}])
async def test_who_is_no_approver_is_let_no_further(desk: Desk, claims: dict[str, Any]) -> None:
    desk.provider.claims |= claims
    status, text = await desk.get("/")
    assert (status, "Not an approver" in text) == (403, True)


# ---- forms


async def test_a_form_counts_only_from_this_page_with_this_session_s_token(desk: Desk) -> None:
    told, other = await desk.pending(), await desk.pending(asked({"path": "/other"}))
    form, target = await desk.form(told.id), f"/a/{told.id}/approve"
    evil = "https://evil.example"
    assert (await desk.post(target, form, Origin=evil))[0] == 403
    assert (await desk.post(target, form, Origin="null"))[0] == 403
    assert (await desk.post(target, form, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await desk.post(target, form, Sec_Fetch_Site="same-site"))[0] == 403
    async with desk.browser.post(desk.url + target, data=form) as answer:  # no Origin at all
        assert answer.status == 403
    assert (await desk.post(target, form | {"csrf": "guessed"}))[0] == 403
    assert (await desk.post(target, {"seen": form["seen"]}))[0] == 403
    assert (await desk.post(target, form | {"seen": (await desk.form(other.id))["seen"]}))[0] == 409
    async with desk.browser.post(desk.url + target, json=form, headers={"Origin": desk.url}) as answer:
        assert answer.status == 403
    assert (await desk.get(target))[0] == 405
    assert desk.floor.count("approved") == 0
    assert (await desk.post(target, form))[0] == 200


async def test_what_was_decided_is_decided(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)
    assert (await desk.post(f"/a/{told.id}/deny", form))[0] == 200
    status, text = await desk.post(f"/a/{told.id}/approve", form)
    assert (status, "denied it already" in text) == (409, True)
    assert "It has been denied" in (await desk.get(f"/a/{told.id}"))[1]


async def test_a_sign_in_decides_for_its_minutes_and_no_longer(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)
    desk.floor.ahead = 301.0
    status, text = await desk.post(f"/a/{told.id}/approve", form)
    assert (status, "Sign in again" in text) == (401, True)
    async with desk.browser.get(desk.url + "/", allow_redirects=False) as answer:
        assert answer.status == 303
    assert desk.floor.count("approved") == 0


async def test_who_signs_in_after_the_wall_clock_was_set_back_may_decide_for_as_long(desk: Desk) -> None:
    """The provider's ID token lives for longer than the step: it is good, and so is the sign-in."""
    desk.floor.behind = 1800.0
    desk.provider.lies = {"exp": time.time() + 3600}
    told = await desk.pending()
    assert (await desk.get(f"/a/{told.id}"))[0] == 200
    form = await desk.form(told.id)
    desk.floor.ahead = 301.0
    assert (await desk.post(f"/a/{told.id}/approve", form))[0] == 401
    desk.floor.ahead = 0.0
    assert (await desk.post(f"/a/{told.id}/approve", form))[0] == 200
    assert isinstance(await desk.floor.ask(), Approval)


async def test_a_reload_that_changes_who_may_approve_ends_the_sessions(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)
    desk.floor.configure(approvers={"roles": ["boss"]})
    assert (await desk.post(f"/a/{told.id}/approve", form))[0] == 401
    desk.floor.table = None
    assert (await desk.get("/"))[0] == 404


async def test_who_signs_out_is_unknown(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)
    assert (await desk.post("/logout", form))[0] == 200
    assert (await desk.post(f"/a/{told.id}/approve", form))[0] == 401


async def test_a_cookie_of_another_purpose_or_another_hand_is_none(desk: Desk) -> None:
    assert (await desk.get("/"))[0] == 200
    async with desk.browser.get(desk.url + "/login", allow_redirects=False) as answer:
        under = answer.cookies["bearerd-login"].value
    desk.browser.cookie_jar.clear()
    for forged in (under, under[:-4] + "AAAA", "x", ""):
        headers = {"Cookie": f"bearerd-session={forged}"}
        async with desk.browser.get(desk.url + "/", headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303


# ---- another person


async def test_the_asker_is_not_another_person(desk: Desk) -> None:
    desk.floor.configure(same_person_claims=["email"])
    desk.provider.claims |= {"email": "Alice@Example.com"}
    who = verified(claims={"email": "alice@example.com"})
    told = await desk.pending(None, who, resource("other"))
    status, text = await desk.get(f"/a/{told.id}")
    assert (status, "/approve" in text, "/deny" in text) == (200, False, True)
    status, text = await desk.post(f"/a/{told.id}/approve", await desk.form(told.id))
    assert (status, "Not by you" in text) == (403, True)
    assert desk.floor.count("approved") == 0


async def test_somebody_else_is(desk: Desk) -> None:
    desk.floor.configure(same_person_claims=["email"])
    who, of = verified(claims={"email": "alice@example.com"}), resource("other")
    told = await desk.pending(None, who, of)
    assert (await desk.post(f"/a/{told.id}/approve", await desk.form(told.id)))[0] == 200
    assert isinstance(await desk.floor.ask(None, who, of), Approval)


async def test_whoever_cannot_be_told_from_the_asker_is_not_another(desk: Desk) -> None:
    told = await desk.pending(None, None, resource("other"))  # by sub alone, and of another issuer
    assert (await desk.post(f"/a/{told.id}/approve", await desk.form(told.id)))[0] == 403


# ---- what is shown


async def test_hostile_words_are_shown_as_they_are_and_whole(desk: Desk) -> None:
    end = "the very end"
    hostile = {
        "path": '</pre><script>alert(1)</script>"&',
        "reversed": "a\u202eb\u2066c",
        "hidden": "x\u200by\U000e0041z\u3164",
        "line": "one\ntwo\r\x7f\x9b",
        "far": "p\u0430ypal",
        "long": "x" * 20_000 + end,
    }
    told = await desk.pending(asked(hostile))
    _, text = await desk.get(f"/a/{told.id}")
    assert "<script" not in text
    assert "&lt;/pre&gt;&lt;script&gt;" in text
    for code in ("202E", "2066", "200B", "E0041", "3164", "007F", "009B"):
        assert f'<b class="code">U+{code}</b>' in text
    assert not set(text) & set("\u202e\u2066\u200b\U000e0041\u3164\x7f\x9b")
    assert '<span class="far">\u0430</span>' in text
    assert "beyond plain ASCII" in text
    assert r"one\ntwo\r" in text
    assert end in text


async def test_every_answer_is_for_one_pair_of_eyes_in_no_frame(desk: Desk) -> None:
    for path in ("/", "/nowhere", "/callback", f"/a/{'0' * 32}", "/a/x", "/login"):
        async with desk.browser.get(desk.url + path, allow_redirects=False) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "script-src" not in policy
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            for cookie in answer.cookies.values():
                assert cookie["httponly"]
                assert cookie["samesite"] == "Lax"


async def test_over_https_cookies_are_the_host_s_alone(desk: Desk) -> None:
    desk.floor.configure(url="https://approvals.example")
    async with desk.browser.get(desk.url + "/", allow_redirects=False) as answer:
        (cookie,) = answer.cookies.values()
        assert cookie.key == "__Host-bearerd-login"
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


async def test_while_the_store_is_away_nothing_is_decided_and_it_says_so(desk: Desk) -> None:
    told = await desk.pending()
    form = await desk.form(told.id)
    desk.floor.office.book = None
    assert (await desk.post(f"/a/{told.id}/approve", form))[0] == 503
    assert (await desk.get("/"))[0] == 503


async def test_a_provider_that_is_away_is_asked_once_for_all_who_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bearerd.approvals.login.FAULT_SECONDS", 3600.0)
    desk.provider.away = True
    answers = await asyncio.gather(*(desk.get("/") for _ in range(20)), desk.get("/callback"))
    assert {status for status, _ in answers} == {503, 400}
    assert desk.provider.looked_up == 1
    assert len([one for one in caplog.records if one.message == "the approvals page cannot answer"]) == 1
    desk.provider.away = False
    assert (await desk.get("/"))[0] == 503
    monkeypatch.setattr("bearerd.approvals.login.FAULT_SECONDS", 0.0)
    assert (await desk.get("/"))[0] == 200


@pytest.mark.parametrize(
    ("unauthorized", "words"), [(True, "approvals.client_secret_file"), (False, "too old")], ids=["client", "code"]
)
async def test_a_provider_that_takes_no_code_or_no_client_is_not_away(
    desk: Desk, caplog: pytest.LogCaptureFixture, unauthorized: bool, words: str
) -> None:
    desk.provider.answer = {"code": "never given"}
    desk.provider.unauthorized = unauthorized
    status, text = await desk.get("/")
    assert (status, 'href="/login?back=/"' in text) == (403, True)
    (told,) = (one for one in caplog.records if one.message == "a sign-in was refused")
    assert words in str(told.__dict__)


async def test_a_form_that_does_not_come_decides_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bearerd.approvals.page.FORM_SECONDS", 0.05)
    told = await desk.pending()
    await desk.form(told.id)

    async def slow() -> AsyncIterator[bytes]:
        yield b"csrf="
        await asyncio.sleep(30)

    headers = {"Origin": desk.url, "Content-Type": "application/x-www-form-urlencoded"}
    async with desk.browser.post(f"{desk.url}/a/{told.id}/approve", data=slow(), headers=headers) as answer:
        assert answer.status == 408
    assert desk.floor.count("approved") == 0
