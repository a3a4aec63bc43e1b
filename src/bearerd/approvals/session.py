"""What the browser carries: a sign-in under way, and who signed in.  Sealed (Fernet), so that it is ours and nobody reads it.

Nothing of it is kept here, so any worker may answer; and nothing but time ends it, so it is short.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.fernet import Fernet, InvalidToken

from bearerd.approvals.login import Attempt

if TYPE_CHECKING:
    from aiohttp import web

    from bearerd.config.model import Approvals

LOGIN_SECONDS: Final = 600  # for a sign-in
_SHAPE: Final = 1  # of what is sealed: to be raised with every change of it
_MOST: Final = 3800  # characters: browsers drop a cookie beyond 4,096 with its name


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, and may approve."""

    issuer: str
    subject: str
    name: str  # as people write it; proves nothing
    marks: dict[str, str]  # by which one person is told from another
    pairwise: bool  # the subject is known to this page's client alone
    until: float  # epoch seconds
    csrf: str
    terms: str  # of the configuration by which this person may approve


@dataclass(frozen=True, slots=True)
class Under:
    """A sign-in under way, and the page that it is for."""

    attempt: Attempt
    back: str


def terms(settings: Approvals) -> str:
    """A digest of what makes an approver: a reload that changes it ends every session."""
    fields = {"issuer", "client_id", "url", "approvers", "role_claims", "same_person_claims", "login_max_age"}
    said = settings.model_dump(mode="json", include=fields)
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class Cookies:
    """Of one listener."""

    def __init__(self, secret: bytes, *, secure: bool) -> None:
        """``secure``: the page is at an https url; over http (development) a cookie can neither say so nor be __Host-."""
        key = hmac.digest(secret, b"bearerd-approvals-session-1", "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._secure = secure
        prefix = "__Host-" if secure else ""
        self.login: Final = f"{prefix}bearerd-login"
        self.session: Final = f"{prefix}bearerd-session"

    def keep(self, answer: web.StreamResponse, value: Person | Under, seconds: float) -> None:
        """Give it to the browser.

        Lax, not Strict: the way back from the provider is a navigation from another site.  No form of another site's
        gets a Lax cookie along, and every form of ours is checked besides.
        """
        name = self.session if isinstance(value, Person) else self.login
        text = self._fernet.encrypt(orjson.dumps({"as": f"{name} {_SHAPE}", "is": asdict(value)})).decode()
        if len(text) > _MOST:
            raise ValueError("more than a cookie holds")
        answer.set_cookie(
            name, text, max_age=int(seconds), path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    def person(self, request: web.Request) -> Person | None:
        """Who signed in, if anybody did and it is not too long ago (``until`` is the caller's to compare)."""
        said = self._opened(request, self.session)
        return None if said is None else Person(**said)

    def under(self, request: web.Request) -> Under | None:
        """The sign-in under way."""
        said = self._opened(request, self.login)
        return None if said is None else Under(Attempt(**said["attempt"]), said["back"])

    def forget(self, answer: web.StreamResponse, name: str) -> None:
        """Take it from the browser."""
        answer.del_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def _opened(self, request: web.Request, name: str) -> dict[str, Any] | None:
        text = request.cookies.get(name)
        if text is None:
            return None
        try:
            said = orjson.loads(self._fernet.decrypt(text.encode(), ttl=3600 + LOGIN_SECONDS))
        except (InvalidToken, ValueError):
            return None
        # One that was sealed as the other, or by another version, is neither.
        return said["is"] if said.get("as") == f"{name} {_SHAPE}" else None
