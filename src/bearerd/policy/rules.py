"""Which rule decides a request (contracts, section 2: Rules, Paths, Open rules, Shadow).

This is all of the policy that reads the request.  What is decided afterwards follows from the resource, the selection,
the token and the time alone; that is why an answer may hang under (resource, rule), see ``Selected.plain``.

What is refused at once, and what only later, is a question of who learns it:

- ``untrusted_peer`` is said at once: whoever may not speak as a gateway learns nothing of tokens or rules.
- A foreign ``Origin`` (of an MCP server), and ``ambiguous_path`` for a path that is ambiguous in itself, are said at once:
  they follow from the request alone.
- That *no rule* matches, or that a path narrowly misses one (``/ADMIN``), would map the rules to whoever asks without a
  token.  It is kept in ``Selected.refusal`` and said only where a good token was shown; anybody else gets the same 401
  as on every other closed path.
- So is a spoofed identity header, but for open rules, where there is nothing to wait for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bearerd._native.rules import AMBIGUOUS, NONE
from bearerd.policy import origin
from bearerd.refusals import Code, Refusal

if TYPE_CHECKING:
    from bearerd._native.rules import Rules
    from bearerd.policy.operations import Guard
    from bearerd.policy.resource import Resource, Rule
    from bearerd.request import Request

_NO_RULE: Final = "no rule matches"
_METHOD_MISS: Final = "in upper case the method would be another rule's"
_NEAR_MISS: Final = "the path misses an earlier rule only by case, a final slash, or dots and spaces at a segment's end"


class Selected(NamedTuple):
    """The rule that decides, and whatever else of the request the decision depends on."""

    rule: Rule | None  # None: the resource has no enforced rules, or there is a refusal
    shadows: tuple[Rule, ...] = ()  # shadow rules that stand before it and match too
    refusal: Refusal | None = None  # for whoever has shown a good token
    spoofed: tuple[str, ...] = ()  # header names of the client that an upstream could take for identity
    token_in_query: bool = False

    @property
    def index(self) -> int | None:  # type: ignore[override]  # nobody asks this tuple where a value stands
        """The rule's place in the file."""
        return None if self.rule is None else self.rule.index

    @property
    def needs_credential(self) -> bool:
        """False: the credential is not to be looked at; decide with ``subject=None``."""
        return self.rule is None or not self.rule.open

    @property
    def plain(self) -> bool:
        """Whether the decision depends on nothing of the request but the rule.

        Only then does a decision carry ``reuse``, and only for a request that is plain, too, may it be used again.
        """
        particular = self.rule is not None and self.rule.particular
        return not (particular or self.shadows or self.refusal or self.spoofed or self.token_in_query)


def select_rule(resource: Resource, request: Request) -> Selected | Refusal:
    """The rule of a resource that decides a request, or why none can be chosen."""
    known = request.known or request.operation is not None
    if resource.constrained and not (request.trusted and known):
        detail = "the original request is unknown" if request.trusted else "the peer may not speak as a gateway"
        return Refusal(Code.UNTRUSTED_PEER, detail)
    foreign = origin.refusal(resource.origins, request.headers)
    if foreign is not None:
        return foreign
    if resource.has_paths and request.ambiguous:
        return Refusal(Code.AMBIGUOUS_PATH, "the path can be read in more than one way")
    at, refusal = (_by_operation if resource.kind == "mcp" else _by_path)(resource, request)
    rule = resource.enforced[at] if at >= 0 else None
    spoofed = resource.identity.spoofed(request.headers) if request.sees_all_headers else ()
    if refusal is None and spoofed:
        refusal = Refusal(Code.FORBIDDEN, f"the client sent {spoofed[0]!r}, which could pass for identity")
    in_query = request.token_in_query and (rule is None or not rule.open)
    return Selected(rule, _shadows(resource, request, rule), refusal, spoofed, in_query)


def _by_path(resource: Resource, request: Request) -> tuple[int, Refusal | None]:
    """The rule's place by method and path, and what is wrong for whoever has shown a good token."""
    method, path, preflight = _selectors(request)
    at = resource.matcher.match(method, path, preflight)
    if at == AMBIGUOUS:
        return at, Refusal(Code.AMBIGUOUS_PATH, _NEAR_MISS)
    if method != method.upper() and resource.matcher.match(method.upper(), path, preflight) != at:
        # Methods are case-sensitive (RFC 9110 section 9.1), but many upstreams serve ``delete`` as DELETE.
        return at, Refusal(Code.FORBIDDEN, _METHOD_MISS)
    if at == NONE and resource.enforced:
        return at, Refusal(Code.FORBIDDEN, _NO_RULE, _near_misses(resource, method, path))
    return at, None


def _by_operation(resource: Resource, request: Request) -> tuple[int, Refusal | None]:
    """The same by what is asked of an MCP server; preflights ask nothing of it."""
    preflight = next((place for place, rule in enumerate(resource.enforced) if rule.preflight), NONE)
    if preflight != NONE and _selectors(request)[2]:
        return preflight, None
    if resource.guard is None:  # whoever reads the body all the same passes on nothing that cannot be read
        return NONE, None if request.misread is None else request.misread.refusal
    if request.misread is not None:
        return NONE, request.misread.refusal
    if request.operation is None and request.method not in (None, "POST"):
        return NONE, Refusal(Code.FORBIDDEN, "a method that the transport does not have")
    return resource.guard.find(request.operation)


def _selectors(request: Request) -> tuple[bytes, bytes, bool]:
    """Method, path and whether this is a preflight.

    Where a resource's rules do not select by method or path, what is unknown is not looked at either.
    """
    method = (request.method or "").encode("latin-1", "replace")
    return method, (request.path or "").encode(), method == b"OPTIONS" and _is_preflight(request)


def _is_preflight(request: Request) -> bool:
    """Origin and Access-Control-Request-Method (Fetch, section 4.8), each with a value."""
    sent = {name.lower() for name, value in request.headers if value.strip()}
    return b"origin" in sent and b"access-control-request-method" in sent


def _shadows(resource: Resource, request: Request, decides: Rule | None) -> tuple[Rule, ...]:
    """The shadow rules that would have decided before the one that does.

    One that cannot be matched safely (unknown request, untrusted peer, ambiguous path) is passed over: shadow rules do
    not make a request refusable.
    """
    if not resource.shadows:
        return ()
    method, path, preflight = _selectors(request)
    speaks = request.trusted and (request.known or request.operation is not None)
    return tuple(
        rule
        for (rule, matcher), guard in zip(resource.shadows, resource.shadow_guards, strict=True)
        if (decides is None or rule.index < decides.index)
        and (speaks or not rule.constrained)
        and (rule.path is None or request.path is not None)
        and _fits(guard, matcher, request, method, path, preflight=preflight)
    )


def _fits(
    guard: Guard | None, matcher: Rules, request: Request, method: bytes, path: bytes, *, preflight: bool
) -> bool:
    """Whether one shadow rule would select it."""
    if guard is None:
        return matcher.match(method, path, preflight) >= 0
    return request.operation is not None and guard.find(request.operation)[0] >= 0


def _near_misses(resource: Resource, method: bytes, path: bytes) -> tuple[str, ...]:
    """For logs: another spelling of the path, or another method, that a rule does match."""
    hints = []
    other = path[:-1] if path.endswith(b"/") else path + b"/"
    if other and resource.matcher.match(method, other, False) >= 0:
        hints.append("a rule matches " + ("without" if path.endswith(b"/") else "with") + " the final slash")
    if path.lower() != path and resource.matcher.match(method, path.lower(), False) >= 0:
        hints.append("a rule matches in lower case")
    named = sorted({name for rule in resource.enforced for name in rule.methods or ()})
    fitting = [name for name in named if resource.matcher.match(name.encode(), path, False) >= 0]
    if fitting:
        hints.append(f"a rule matches for {', '.join(fitting)}")
    return tuple(hints)
