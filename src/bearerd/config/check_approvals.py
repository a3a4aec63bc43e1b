"""Cross-checks of ``[approvals]``, and of the rules that need it: that somebody can say yes, and nobody by mistake."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from bearerd.config import addresses, check_claims, files
from bearerd.config.check_upstream import web_parts
from bearerd.config.problems import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bearerd.config.model import Approvals, Config, Resource, Server
    from bearerd.config.problems import Problems

PAGE: Final = ("listen", "url", "issuer", "client_id", "approvers")
"""The keys that the page needs, all of them."""

_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_TAKEN: Final = frozenset(
    {"authorization", "cookie", "host", "content-type", "content-length", "traceparent", "accept"}
)
_LEAST_SECRET: Final = 24  # bytes, as Standard Webhooks has it


def check_approvals(approvals: Approvals | None, server: Server, problems: Problems) -> None:
    """The table by itself, and beside the other listeners."""
    if approvals is None:
        return
    given = [name for name in PAGE if getattr(approvals, name) is not None]
    for name in PAGE if given else ():
        if name not in given:
            remedy = f"the page needs all of {', '.join(PAGE)}"
            problems.add(f"approvals.{name}", "is missing", remedy, given=("approvals", f"approvals.{name}"))
    if not given and not approvals.cli:
        remedy = f"give {', '.join(PAGE)} for the page, or cli = true"
        problems.add("approvals", "nobody could approve anything", remedy, given=("approvals", *_blamed(PAGE)))
    _check_listen(approvals, server, problems)
    _check_url("url", approvals.url, server, problems, origin=True)
    _check_url("issuer", approvals.issuer, server, problems)
    _check_url("webhook", approvals.webhook, server, problems, query=True)
    _check_people(approvals, problems)
    _check_words(approvals, problems)
    _check_webhook(approvals, problems)


def check_rules(resources: Mapping[str, Resource | None], approvals: Approvals | None, problems: Problems) -> None:
    """``confirm`` needs somebody to ask; "other" somebody who is known to be another."""
    client = None if approvals is None else approvals.client_id
    for name, resource in resources.items():
        if client is not None and resource is not None and client in resource.audiences:
            remedy = "register a client for the page alone: else its ID tokens are addressed to that resource"
            problems.add("approvals.client_id", f'"{client}" is an audience of resource.{name}', remedy)
        for number, rule in enumerate(() if resource is None else resource.rule):
            key = f"{dotted('resource', [name])}.rule[{number}].confirm"
            if not rule.confirm:
                continue
            if approvals is None:
                remedy = "add [approvals]: the page with its sign-in, or cli = true"
                problems.add(key, "nobody could confirm anything", remedy, given=("approvals", key))
            elif rule.confirm == "other" and approvals.listen is None:
                remedy = f"give {', '.join(PAGE)} in [approvals]: the command line never shows who sits before it"
                problems.add(key, '"other" without the page', remedy, given=("approvals", *_blamed(PAGE)))


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and yet worth a second look."""
    approvals = config.approvals
    if approvals is None:
        yield from _unasked(config)
        return
    if approvals.cli:
        yield "approvals.cli: whoever can read data_dir/admin.token can approve: an agent with a shell of that user, too"
    if approvals.listen is not None and not addresses.parse(approvals.listen).loopback:
        yield f"approvals.listen: {approvals.listen} is plain HTTP: let nobody but the proxy that speaks TLS for it reach it"
    if config.store.fleet_key_file is None and config.store.url is not None:
        yield "approvals: without store.fleet_key_file, whoever can write the store can approve"
    for name in ("client_secret_file", "webhook_secret_file"):
        path = getattr(approvals, name)
        if path is not None and files.world_readable(path):
            yield f"approvals.{name}: every local user may read {path}"


def _unasked(config: Config) -> Iterator[str]:
    """Reviewed lists whose destructive tools wait for a human that nobody asks."""
    for name, review in config.reviewed.items():
        asks = any(rule.tool is not None and rule.confirm is None for rule in config.resource[name].rule)
        if asks and any(review.tools.values()):
            yield f"resource.{name}.tools_file: it lists destructive tools, which are refused: nobody can confirm them without [approvals]"


def needs_restart(old: Config, new: Config) -> list[str]:
    """Where the page listens is settled at the start; all else of the table is reloadable."""
    before, after = (None if config.approvals is None else config.approvals.listen for config in (old, new))
    return ["approvals.listen"] if before != after else []


def _blamed(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"approvals.{name}" for name in names)


def _check_listen(approvals: Approvals, server: Server, problems: Problems) -> None:
    if approvals.listen is None:
        return
    try:
        own = addresses.parse(approvals.listen)
    except ValueError as error:
        problems.add("approvals.listen", f'"{approvals.listen}" is not an address: {error}', 'such as "127.0.0.1:9184"')
        return
    if own.port == 0 and server.profile == "production":
        problems.add("approvals.listen", "port 0 is only for the development profile", "name a port")
    others = [("server.admin", server.admin), ("server.probes", server.probes), *server.asked_at]
    for key, text in others:
        try:
            clash = own.clashes(addresses.parse(text))
        except ValueError:
            continue  # told by its own check
        if clash:
            problems.add("approvals.listen", f"the same address as {key}", "give each listener a port of its own")
            return


def _check_url(
    name: str, url: str | None, server: Server, problems: Problems, *, origin: bool = False, query: bool = False
) -> None:
    if url is None:
        return
    key, remedy = f"approvals.{name}", 'write it like "https://approvals.example.com"'
    parts = web_parts(url)
    if parts is None:
        problems.add(key, "not an absolute https url", remedy)
        return
    if parts.scheme == "http" and server.profile == "production":
        problems.add(key, "http in production", "use https", given=("server.profile",))
    if "@" in parts.netloc or parts.fragment or "#" in url or (parts.query and not query):
        problems.add(key, "must hold neither user, query nor fragment", remedy)
    elif origin and (parts.path not in ("", "/") or parts.netloc != parts.netloc.lower()):
        problems.add(
            key, "must be an origin in lower case, without a path", f"{remedy}: its cookies are the whole host's"
        )


def _check_people(approvals: Approvals, problems: Problems) -> None:
    who = approvals.approvers
    if who is not None and not who.roles and not who.claims:
        remedy = 'name roles or claims, such as approvers = { roles = ["approver"] }'
        problems.add(
            "approvals.approvers", "everybody who can sign in could approve", remedy, given=("approvals.approvers",)
        )
    if who is not None:
        check_claims.check_claims("approvals.approvers.claims", who.claims, problems)
    if not approvals.same_person_claims or not all(approvals.same_person_claims):
        problems.add("approvals.same_person_claims", "names no claim", '["sub"], or ["email"] across issuers')
    if "openid" not in approvals.scopes:
        problems.add("approvals.scopes", 'lacks "openid"', 'add "openid": else there is no ID token')


def _check_words(approvals: Approvals, problems: Problems) -> None:
    header = approvals.attempt_header
    if not _HEADER.fullmatch(header) or header.lower() in _TAKEN:
        problems.add(
            "approvals.attempt_header", f'"{header}" cannot be it', 'letters, digits and "-": "X-Auth-Attempt"'
        )


def _check_webhook(approvals: Approvals, problems: Problems) -> None:
    if (approvals.webhook is None) != (approvals.webhook_secret_file is None):
        missing, there = ("webhook", "webhook_secret_file")[:: 1 if approvals.webhook is None else -1]
        problems.add(f"approvals.{missing}", f"is missing beside {there}", "give both: what is sent is signed")
    path = approvals.webhook_secret_file
    if path is None or files.trouble(path) is not None:  # told already
        return
    try:
        webhook_secret(files.read_secret(path))
    except (OSError, ValueError) as error:
        remedy = 'printf "whsec_%s" "$(openssl rand -base64 32)" > FILE'
        problems.add("approvals.webhook_secret_file", f"{path}: {error}", remedy)


def webhook_secret(text: bytes) -> bytes:
    """The key in a secret as Standard Webhooks writes it (``whsec_`` and base64).  Raises ValueError."""
    if not text.startswith(b"whsec_"):
        raise ValueError("it does not begin with whsec_")
    try:
        key = base64.b64decode(text.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("what follows whsec_ is not base64") from None
    if len(key) < _LEAST_SECRET:
        raise ValueError(f"it holds {len(key)} bytes, at least {_LEAST_SECRET} are needed")
    return key
