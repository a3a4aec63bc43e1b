"""The page on which a human says yes or no: the only listener of bearerd that people sign in to.

Nobody is known here by a bearer token: a request with an Authorization field is refused before anything else of it is looked
at, for the agent that asks for an approval holds one.  Who decides has just signed in, in a browser, at the provider, as the
page's own client.  Forms are believed only from this page's own origin, with the session's token, about the call that was
shown.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from bearerd import log
from bearerd.approvals import html
from bearerd.approvals.book import PAGE
from bearerd.approvals.idtoken import NotSignedIn
from bearerd.approvals.login import Attempt, Login, StillAway
from bearerd.approvals.people import another, marks, may_approve
from bearerd.approvals.record import Approver, State
from bearerd.approvals.session import LOGIN_SECONDS, Cookies, Person, Under, terms
from bearerd.errors import IssuerFault, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bearerd.approvals.book import Book
    from bearerd.approvals.office import Office
    from bearerd.approvals.record import Approval
    from bearerd.config.model import Approvals as Settings
    from bearerd.limits import Limits

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_BODY: Final = 16 * 1024
FORM_SECONDS: Final = 10.0  # from its head to its last byte
_ID: Final = re.compile(r"[0-9a-f]{32}")
_BACK: Final = re.compile(r"/(?:a/[0-9a-f]{32})?")
_LOGGER: Final = logging.getLogger("bearerd.approval")
_LATE: Final = {
    "gone": "It has expired.",
    "changed": "It is not what was shown any more.",
    State.APPROVED: "Somebody has approved it already.",
    State.DENIED: "Somebody has denied it already.",
    State.USED: "It was approved and made already.",
}


class Refused(Exception):
    """A request that gets a page of ours instead of what it asked for."""

    def __init__(self, status: int, title: str, *sentences: str, link: tuple[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.text = html.message(title, *sentences, link=link)


def app(office: Office, limits: Limits, secret: bytes) -> web.Application:
    """The application of ``approvals.listen``; ``secret`` seals its cookies."""
    made = web.Application(middlewares=[_guard], client_max_size=MOST_BODY)
    page = _Page(office, limits, secret)
    made.router.add_get("/", page.index)
    made.router.add_get("/a/{id}", page.show)
    made.router.add_post("/a/{id}/{act:approve|deny}", page.decide)
    made.router.add_get("/login", page.login)
    made.router.add_get("/callback", page.callback)
    made.router.add_post("/logout", page.logout)
    return made


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No bearer token, no fault and no error of the framework's gets past this: each is a page of ours, with our headers."""
    try:
        if "Authorization" in request.headers:
            raise Refused(403, "Not with a token", "Nobody is known here by a token: sign in with a browser.")
        answer = await handler(request)
    except Refused as refused:
        answer = web.Response(status=refused.status, text=refused.text)
    except web.HTTPException as error:
        answer = web.Response(status=error.status, text=html.message(f"{error.status} {error.reason}"))
    except (StoreError, IssuerFault) as error:
        if not isinstance(error, StillAway):  # strangers would fill the log with it
            log.event(_LOGGER, logging.ERROR, "the approvals page cannot answer", {"detail": log.told(error)})
        text = html.message("Not now", "The store, or the place to sign in, does not answer. Please try again.")
        answer = web.Response(status=503, text=text)
        answer.headers["Retry-After"] = "5"
    except Exception as error:  # its words stay here
        _LOGGER.error("the approvals page failed", exc_info=error)
        answer = web.Response(status=500, text=html.message("Something failed", "Nothing was decided."))
    answer.headers.update(html.HEADERS)
    answer.headers["Server"] = "bearerd"
    return answer


class _Page:
    def __init__(self, office: Office, limits: Limits, secret: bytes) -> None:
        self._office = office
        self._limits = limits
        self._secret = secret
        self._logins: Login | None = None

    # ---- what is shown

    async def index(self, request: web.Request) -> web.StreamResponse:
        """What waits."""
        settings, person = self._known(request)
        if person is None:
            return await self._to_login(settings, "/")
        standing = await self._book.standing()
        return web.Response(text=html.listed(standing, person, more=len(standing) == PAGE))

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One approval.  Whoever has not signed in learns nothing of it, not even that there is one."""
        name = _name(request)
        settings, person = self._known(request)
        if person is None:
            return await self._to_login(settings, f"/a/{name}")
        approval = await self._found(name)
        return web.Response(text=html.shown(approval, person, may_approve=_may_say_yes(settings, approval, person)))

    # ---- what is decided

    async def decide(self, request: web.Request) -> web.StreamResponse:
        """Yes or no, once."""
        name, approved = _name(request), request.match_info["act"] == "approve"
        settings, person, form = await self._posted(request, f"/a/{name}")
        approval = await self._found(name)
        if not hmac.compare_digest(str(form.get("seen", "")).encode(), approval.call.binding.encode()):
            raise Refused(409, "Not what was shown", "Nothing was decided.", link=(f"/a/{name}", "Look again"))
        if approved and not _may_say_yes(settings, approval, person):
            raise Refused(403, "Not by you", "Another person than the one who asks must approve this call.")
        by = Approver(person.name, person.issuer, person.subject)
        said = await self._office.decide(approval, by, approved=approved)
        if said != "ok":
            raise Refused(409, "Too late", _LATE.get(said, "Nothing was decided."), link=("/", "All that waits"))
        title, sentence = ("Approved", "The call may be made once.") if approved else ("Denied", "It will not be made.")
        return web.Response(text=html.message(title, sentence, link=("/", "All that waits")))

    async def logout(self, request: web.Request) -> web.StreamResponse:
        """Forget who sits here."""
        settings, _, _ = await self._posted(request, "/")
        answer = web.Response(text=html.message("Signed out", "This page no longer knows you."))
        cookies = self._cookies(settings)
        cookies.forget(answer, cookies.session)
        return answer

    # ---- signing in

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Sign in (again), for a page of ours."""
        back = request.query.get("back", "/")
        return await self._to_login(self._settings, back if _BACK.fullmatch(back) else "/")

    async def callback(self, request: web.Request) -> web.StreamResponse:
        """Back from the provider."""
        settings = self._settings
        cookies, login = self._cookies(settings), self._login(settings)
        under, now = cookies.under(request), self._office.now()
        query = request.query
        # By the wall clock, as it was begun by: that is what the provider's ``auth_time`` is compared with.
        if (
            under is None
            or now.wall > under.attempt.since + LOGIN_SECONDS
            or not _is(query, "state", under.attempt.state)
        ):
            raise Refused(
                400, "Not this sign-in", "It was begun elsewhere, or too long ago.", link=("/", "Begin again")
            )
        again = (f"/login?back={under.back}", "Sign in again")
        if "error" in query or len(query.getall("code", [])) != 1:
            raise Refused(403, "Not signed in", "The provider did not sign you in.", link=again)
        provider = await login.provider()
        if ("iss" in query or provider.names_itself) and not _is(query, "iss", settings.issuer or ""):
            raise Refused(400, "Not this provider", "The answer is another provider's.", link=again)
        try:
            claims = await login.finish(under.attempt, query["code"], now.latest)
        except NotSignedIn as error:
            log.event(_LOGGER, logging.WARNING, "a sign-in was refused", {"detail": str(error)})
            raise Refused(403, "Not signed in", "What the provider says does not count here.", link=again) from None
        if not may_approve(settings, claims):
            fields = {"by_iss": settings.issuer, "by": self._office.events.subject(claims["sub"])}
            log.event(_LOGGER, logging.WARNING, "somebody signed in who may not approve", fields)
            raise Refused(403, "Not an approver", "You are signed in, and may not decide here.")
        return self._welcomed(settings, under, claims, pairwise=provider.pairwise)

    def _welcomed(
        self, settings: Settings, under: Under, claims: dict[str, Any], *, pairwise: bool
    ) -> web.StreamResponse:
        now, cookies = self._office.now(), self._cookies(settings)
        # Counted from what both clocks say at the most: a provider whose clock leads lengthens no session.
        # A session ends by the latest time: where our own clock was set back, it begins as much later by that.
        until = min(float(claims["auth_time"]) + now.behind, now.latest) + settings.login_max_age
        person = Person(
            settings.issuer or "",
            claims["sub"],
            _called(claims),
            marks(settings, claims),
            pairwise,
            until,
            secrets.token_urlsafe(24),
            terms(settings),
        )
        answer = web.Response(status=303, headers={"Location": under.back})
        cookies.forget(answer, cookies.login)
        cookies.keep(answer, person, settings.login_max_age)
        return answer

    async def _to_login(self, settings: Settings, back: str) -> web.StreamResponse:
        attempt = Attempt.begin(self._office.now().wall)
        answer = web.Response(status=303, headers={"Location": await self._login(settings).place(attempt)})
        self._cookies(settings).keep(answer, Under(attempt, back), LOGIN_SECONDS)
        return answer

    # ---- within

    @property
    def _settings(self) -> Settings:
        settings = self._office.settings
        if settings is None or settings.issuer is None or settings.url is None:
            raise Refused(404, "No approvals", "They are not configured here.")
        return settings

    @property
    def _book(self) -> Book:
        if self._office.book is None:
            raise StoreError("there is no store")
        return self._office.book

    def _cookies(self, settings: Settings) -> Cookies:
        return Cookies(self._secret, secure=(settings.url or "").startswith("https:"))

    def _login(self, settings: Settings) -> Login:
        if self._logins is None or self._logins.settings != settings:
            self._logins = Login(settings, self._limits)
        return self._logins

    def _known(self, request: web.Request) -> tuple[Settings, Person | None]:
        """Who sits before it, if they signed in a moment ago and may still approve."""
        settings = self._settings
        person = self._cookies(settings).person(request)
        if person is None or person.terms != terms(settings) or not self._office.now().latest < person.until:
            return settings, None
        return settings, person

    async def _posted(self, request: web.Request, back: str) -> tuple[Settings, Person, Any]:
        """A form of ours, by whoever was shown it.  Nobody is sent to sign in by a form: it would be lost on the way."""
        settings, person = self._known(request)
        origin = (settings.url or "").rstrip("/")
        if request.headers.getall("Origin", []) != [origin]:
            raise Refused(403, "Not from this page", "The form was sent from somewhere else.")
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Refused(403, "Not from this page", "The form was sent from somewhere else.")
        if person is None:
            link = (f"/login?back={back}", "Sign in")
            raise Refused(401, "Sign in again", "You signed in too long ago. Nothing was decided.", link=link)
        try:
            async with asyncio.timeout(FORM_SECONDS):
                form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
        except TimeoutError:
            raise Refused(408, "Too slow", "The form did not arrive. Nothing was decided.") from None
        if not hmac.compare_digest(str(form.get("csrf", "")).encode(), person.csrf.encode()):
            raise Refused(403, "Not from this page", "The form is not this session's.", link=(back, "Look again"))
        return settings, person, form

    async def _found(self, name: str) -> Approval:
        found = await self._book.find(name)
        if found is None:
            raise Refused(404, "Nothing to approve", "There is no such approval, or it has expired.", link=("/", "All"))
        return found


def _name(request: web.Request) -> str:
    name = request.match_info["id"]
    if not _ID.fullmatch(name):
        raise Refused(404, "Nothing here")
    return name


def _is(query: Any, name: str, wanted: str) -> bool:
    """Whether a parameter is there once, and is this."""
    values = query.getall(name, [])
    return len(values) == 1 and hmac.compare_digest(values[0].encode("utf-8", "surrogatepass"), wanted.encode())


def _may_say_yes(settings: Settings, approval: Approval, person: Person) -> bool:
    return approval.call.confirm != "other" or another(
        settings, approval.call, person.issuer, person.marks, pairwise=person.pairwise
    )


def _called(claims: dict[str, Any]) -> str:
    """A name for people; whoever relies on it reads the subject in the log."""
    for name in ("email", "preferred_username", "name"):
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value[:128]
    return str(claims["sub"])[:128]
