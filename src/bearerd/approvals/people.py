"""Who may approve, and whether that is somebody else than who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bearerd.policy.decide import holds
from bearerd.verify import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bearerd.approvals.record import Call
    from bearerd.config.model import Approvals

_SUBJECT: Final = "sub"


def may_approve(settings: Approvals, claims: Mapping[str, Any]) -> bool:
    """Whether an ID token's claims are those of an approver: any one of the roles, and all of the claims."""
    who = settings.approvers
    if who is None or not (who.roles or who.claims):
        return False
    if who.roles and set(who.roles).isdisjoint(paths.roles(claims, settings.role_claims)):
        return False
    return all(holds(paths.at(claims, path), wanted) for path, wanted in who.claims.items())


def marks(settings: Approvals, claims: Mapping[str, Any]) -> dict[str, str]:
    """The claims by which one person is told from another, as far as they are there."""
    found = ((name, paths.at(claims, name)) for name in settings.same_person_claims)
    return {name: value for name, value in found if isinstance(value, str) and value}


def another(settings: Approvals, call: Call, issuer: str, own: Mapping[str, str], *, pairwise: bool) -> bool:
    """Whether the approver (of ``issuer``, with these marks) is known to be somebody else than the call's principal.

    Known, not guessed: of the configured claims at least one must be there on both sides and differ, and none may be the
    same.  A subject says something only within one issuer, and nothing where that one gives each client another
    (``pairwise``).
    """
    differs = False
    for name in settings.same_person_claims:
        mine, theirs = own.get(name), call.person.get(name)
        if name == _SUBJECT:
            theirs = call.subject if theirs is None else theirs
            if issuer != call.issuer or pairwise:
                continue
        if not mine or not theirs:
            continue
        if _same(mine, theirs):
            return False
        differs = True
    return differs


def _same(one: str, other: str) -> bool:
    """Addresses are one whatever their case; to call two people one is the safe mistake."""
    return one.strip().casefold() == other.strip().casefold()
