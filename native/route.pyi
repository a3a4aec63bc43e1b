"""The resources as the lane knows them: what of a request selects a rule, and the answers that stand ready."""

from collections.abc import Iterable
from typing import Literal, final

from bearerd._native.hosts import Hosts
from bearerd._native.operations import Operations
from bearerd._native.rules import Rules

NO_ID: str
"""32 digits: where the request id goes."""

@final
class Route:
    """One resource at one face: ``"forward_auth"`` by its dialect, or ``"ext_authz"``."""

    index: int
    resource: str
    face: str

    def __init__(
        self,
        index: int,
        resource: str,
        dialect: Literal["nginx", "forwarded", "envoy"],
        rules: Rules,
        open_rules: bytes,
        *,
        plain: bool,
        enforced: bool,
        constrained: bool,
        has_paths: bool,
        identity: tuple[bytes, ...],
        allowed: int,
        duration: int,
        takes_tokens: bool = True,
        takes_keys: bool = False,
        redirects: bool = False,
        operations: Operations | None = None,
        in_body: bool = False,
        origins: tuple[bytes, ...] | None = None,
        audits: float = 0.0,
        audits_refusals: bool = False,
        audits_all: bool = False,
    ) -> None:
        """``open_rules``: a byte for each enforced rule, 1 where no credential is looked at, 2 where it is optional.  ``allowed``, ``duration``: cells of the metrics page.

        ``operations``: of an MCP server that is asked about by headers; ``in_body``: of one that is not, and has rules.  ``origins``: None where no Origin is looked at.
        ``audits``: the share of allows that leave an audit record; ``audits_all``: every decision does, or is not made here.
        """

    def refuse_with(self, answers: list[tuple[bytes, bytes, int]], forms: int = 1) -> None:
        """The refusals that stand ready, by place: (head without Date, body, cell); ``NO_ID`` stands for the request id.

        ``forms``: how many forms of them there are, one after the other; one, or those of ``faces.forms.Form``.
        """

@final
class Routes:
    """All routes of a configuration, by face and name."""

    generation: int
    all: list[Route]

    def __init__(
        self, generation: int, routes: Iterable[Route], hosts: Hosts | None = None, belongs: Iterable[Route | None] = ()
    ) -> None:
        """``belongs``: the route of each place in ``hosts``, or None."""
