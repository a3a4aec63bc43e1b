"""One token, verified: what is known of these exact bytes, else an examination, whose outcome is remembered."""

from typing import Any

from typing_extensions import disjoint_base

from bearerd._native.examine import Examination
from bearerd._native.generations import Generations
from bearerd._native.refused import RefusedTokens
from bearerd._native.revocations import Revocations
from bearerd._native.tokens import TokenCache

@disjoint_base
class Verification:
    """Of tokens of these issuers, under one configuration.  Whoever inherits it has the words:

    - ``_apart(token, now)``: of what is too large, or no token;
    - ``_judged_again(token, found, verified, now)``: of one that is known, and was not just found good; None: it is to be examined;
    - ``_again(value)``: of one that is remembered as refused; ``_noted(token, examined, now, generation)``: of one that was just refused, under that generation of all;
    - ``_revoked(verified, at)``: of one whose probe with this index is in force.
    """

    def __init__(
        self,
        cache: TokenCache[Any],
        refused: RefusedTokens,
        generations: Generations,
        table: Revocations,
        examiner: Examination,
        most_bytes: int,
        apart: bytes | None,
        verified: type,
    ) -> None:
        """``apart``: how those begin that are no tokens."""

    def verify_now(self, token: bytes, now: Any) -> Any:
        """Verify a bearer token, or an API key.  Pending: resolve it (await), then ask again."""
