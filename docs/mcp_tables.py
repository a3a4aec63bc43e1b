"""The table of docs/mcp.md: what the MCP specification asks of a server, and which tests show that it is so."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

VERSIONS: Final = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
Level = Literal["MUST", "MUST NOT", "SHOULD", "SHOULD NOT"]
Status = Literal["kept", "partly", "declined", "yours"]

_AUTHORIZATION: Final = "tests/mcp/test_authorization.py"
_METADATA: Final = "tests/faces/test_mcp_metadata.py"
_CONFIG: Final = "tests/config/test_corpus.py"


class Requirement(NamedTuple):
    """One of them, in our own words."""

    section: str
    since: str  # the first revision that has it
    level: Level
    what: str
    status: Status
    tests: tuple[str, ...] = ()  # FILE::NAME
    why: str = ""
    until: str = VERSIONS[-1]  # the last


def _shown(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{file}::{name}" for name in names)


REQUIREMENTS: Final = (
    # ---- discovery
    Requirement(
        "discovery", "2025-06-18", "MUST", "publish protected resource metadata (RFC 9728)", "kept",
        _shown(_METADATA, "test_the_document_stands_at_the_path_and_at_the_root"),
    ),
    Requirement(
        "discovery", "2025-06-18", "MUST", "name at least one authorization server in them", "kept",
        _shown(_METADATA, "test_the_document_stands_at_the_path_and_at_the_root")
        + _shown(_CONFIG, "test_each_fault_is_told_as_expected"), "a server without an issuer is a config error",
    ),
    Requirement(
        "discovery", "2025-06-18", "MUST", "say in the challenge of a 401 where they are (`resource_metadata`)", "kept",
        _shown(_AUTHORIZATION, "test_who_shows_no_token_is_told_where_to_get_one_and_nothing_of_an_error"),
        "later revisions ask for this or the next line; both hold",
    ),
    Requirement(
        "discovery", "2025-11-25", "MUST", "serve them at the well-known URI, with the endpoint's path or at the root", "kept",
        _shown(
            _METADATA, "test_the_document_stands_at_the_path_and_at_the_root",
            "test_the_root_is_nobodys_where_two_servers_could_be_meant", "test_the_root_belongs_to_the_resource_that_stands_there",
        ),
    ),
    Requirement(
        "discovery", "2025-03-26", "SHOULD", "offer authorization server metadata (RFC 8414) at the server's own host", "kept",
        _shown(
            _METADATA, "test_clients_of_2025_03_26_find_the_issuers_own_document_at_the_root",
            "test_each_host_has_its_own_issuers_document",
        )
        + _shown(
            "tests/issuers/test_documents.py", "test_the_document_is_the_issuers_to_the_byte_and_from_the_oauth_place",
            "test_what_is_not_the_issuers_own_word_is_not_passed_on",
        ), "with `authorization_server_metadata`", "2025-03-26",
    ),
    Requirement(
        "discovery", "2025-03-26", "MUST", "look for them at the host's root, whatever the server's path", "kept",
        _shown(_METADATA, "test_clients_of_2025_03_26_find_the_issuers_own_document_at_the_root"), "", "2025-03-26",
    ),
    Requirement(
        "discovery", "2025-03-26", "MUST", "without them, serve `/authorize`, `/token` and `/register`", "declined",
        _shown(_METADATA, "test_no_document_is_invented"), "bearerd is no authorization server", "2025-03-26",
    ),
    # ---- scopes
    Requirement(
        "scopes", "2025-11-25", "SHOULD", "name in the challenge the scopes that are needed", "kept",
        _shown(_AUTHORIZATION, "test_who_shows_no_token_is_told_where_to_get_one_and_nothing_of_an_error"),
    ),
    Requirement(
        "scopes", "2025-11-25", "SHOULD", "keep `scopes_supported` to the minimal set", "kept",
        _shown(_METADATA, "test_the_scopes_of_the_document_are_the_least_that_is_of_any_use"),
    ),
    Requirement(
        "scopes", "2025-11-25", "SHOULD", "make up scope sets in one consistent way", "kept",
        _shown(_AUTHORIZATION, "test_too_few_scopes_are_403_with_all_that_the_operation_needs_in_one_challenge"),
        "what the operation needs, whatever the token has",
    ),
    Requirement(
        "scopes", "2026-07-28", "SHOULD NOT", "name `offline_access` in a challenge or in `scopes_supported`", "kept",
        _shown(_CONFIG, "test_each_fault_is_told_as_expected"), "a config error",
    ),
    Requirement(
        "scopes", "2025-11-25", "SHOULD", "answer a token with too few scopes by 403, `insufficient_scope`, the scopes and "
        "`resource_metadata`", "kept",
        _shown(_AUTHORIZATION, "test_too_few_scopes_are_403_with_all_that_the_operation_needs_in_one_challenge"),
    ),
    Requirement(
        "scopes", "2026-07-28", "SHOULD", "name all scopes of the operation in one challenge", "kept",
        _shown(_AUTHORIZATION, "test_a_tool_asks_for_the_servers_scopes_and_its_own_in_one_challenge")
        + _shown("tests/gateways/test_gateways.py", "test_a_missing_scope_is_403_with_every_scope_in_one_challenge"),
    ),
    Requirement(
        "scopes", "2026-07-28", "MUST", "account for scope hierarchies: a broader scope implies narrower ones", "kept",
        _shown(_AUTHORIZATION, "test_a_broader_scope_is_as_good_as_those_that_it_implies"), "with `scope_implies`",
    ),
    Requirement(
        "scopes", "2025-11-25", "SHOULD", "consider what each challenge costs the user", "yours", (),
        "the scopes are the operator's to choose",
    ),
    # ---- the server's name
    Requirement(
        "identifier", "2025-06-18", "SHOULD", "use the form without a final slash", "kept",
        _shown("tests/config/test_discovery.py", "test_there_is_one_spelling_of_an_identifier")
        + _shown(_AUTHORIZATION, "test_both_spellings_of_a_root_and_the_names_that_an_issuer_has_for_it_are_its_audience"),
        "of a URL that is all host; a path with one is warned of",
    ),
    Requirement(
        "identifier", "2025-06-18", "SHOULD", "accept scheme and host in upper case, too", "partly",
        _shown(_METADATA, "test_the_document_stands_at_the_path_and_at_the_root"),
        "of `Host`; an `aud` is compared to the byte, for a token is not made for two names",
    ),
    # ---- tokens
    Requirement(
        "tokens", "2025-03-26", "MUST", "answer 401 where authorization is needed and not shown", "kept",
        _shown(_AUTHORIZATION, "test_every_request_of_a_session_needs_a_token_and_its_scopes"),
    ),
    Requirement(
        "tokens", "2025-03-26", "MUST", "take the token from the Authorization field of every request, session or not", "kept",
        _shown(_AUTHORIZATION, "test_every_request_of_a_session_needs_a_token_and_its_scopes"),
    ),
    Requirement(
        "tokens", "2025-03-26", "MUST NOT", "have tokens in the query", "kept",
        _shown(_AUTHORIZATION, "test_a_token_in_the_query_is_refused_whatever_stands_in_the_header"),
    ),
    Requirement(
        "tokens", "2025-03-26", "MUST", "validate tokens (OAuth 2.1 section 5.2): signature, issuer, time, revocation", "kept",
        _shown(_AUTHORIZATION, "test_an_invalid_or_expired_token_is_401_and_never_403")
        + _shown("tests/verify/test_claims.py", "test_a_token_ends_at_exp_plus_leeway")
        + _shown("tests/verify/test_verifier.py", "test_a_new_token_obeys_a_revocation_of_any_kind"),
    ),
    Requirement(
        "tokens", "2025-03-26", "MUST", "answer an invalid or expired token by 401", "kept",
        _shown(_AUTHORIZATION, "test_an_invalid_or_expired_token_is_401_and_never_403"),
    ),
    Requirement(
        "tokens", "2025-06-18", "MUST", "accept only tokens that were issued for this very server (audience)", "kept",
        _shown(
            _AUTHORIZATION, "test_a_token_for_another_server_is_not_accepted",
            "test_both_spellings_of_a_root_and_the_names_that_an_issuer_has_for_it_are_its_audience",
        ),
    ),
    Requirement(
        "tokens", "2025-06-18", "MUST NOT", "accept any other token", "kept",
        _shown(
            _AUTHORIZATION, "test_a_token_for_another_server_is_not_accepted",
            "test_a_token_of_an_issuer_that_the_server_does_not_name_is_not_accepted",
        ),
    ),
    Requirement(
        "tokens", "2025-06-18", "MUST NOT", "pass the client's token on to upstream APIs", "kept",
        _shown(
            "tests/gateways/test_gateways.py",
            "test_an_allowed_request_reaches_the_upstream_with_identity_and_without_the_token",
        ), "by the examples' gateways: the MCP server never sees it",
    ),
    Requirement(
        "tokens", "2025-03-26", "MUST", "answer authorization errors by 401, 403 and 400", "kept",
        _shown(
            _AUTHORIZATION, "test_an_invalid_or_expired_token_is_401_and_never_403",
            "test_too_few_scopes_are_403_with_all_that_the_operation_needs_in_one_challenge",
            "test_two_credentials_are_a_malformed_request",
        ), "two credentials are 401 where a gateway cannot pass a 400 on",
    ),
    Requirement(
        "tokens", "2025-03-26", "SHOULD", "enforce that tokens expire", "kept",
        _shown("tests/verify/test_verifier.py", "test_a_known_token_stops_at_exp_plus_leeway_by_the_wall_clock")
        + _shown("tests/verify/test_claims.py", "test_exp_and_iat_are_required"), "", "2025-03-26",
    ),
    # ---- security
    Requirement(
        "security", "2025-06-18", "MUST", "keep tokens safe: none in logs, answers or caches that can be read", "kept",
        _shown(
            "tests/system/test_no_secrets.py", "test_good_tokens_and_the_secrets_of_callers_in_use", "test_secrets_in_heads",
        ),
    ),
    Requirement(
        "security", "2025-03-26", "MUST", "reach authorization servers by HTTPS only", "kept",
        _shown(_CONFIG, "test_each_fault_is_told_as_expected"), "an http issuer is for the development profile",
    ),
    Requirement(
        "security", "2025-06-18", "MUST", "follow OAuth 2.1 section 7 (Security Considerations)", "kept",
        _shown("tests/policy/test_decide.py", "test_a_good_token_for_something_else_is_challenged"),
        "as far as it is a resource server's: the lines above, and a sender-constrained token is not taken as a bearer token",
    ),
    Requirement(
        "security", "2025-06-18", "MUST", "as a proxy with one client id, ask the user's consent for each client", "yours", (),
        "bearerd is nobody's OAuth client; a server that is one to third parties has to",
    ),
    Requirement(
        "security", "2025-06-18", "MUST NOT", "take a session for authentication", "kept",
        _shown(_AUTHORIZATION, "test_every_request_of_a_session_needs_a_token_and_its_scopes"),
    ),
    # ---- transports
    Requirement(
        "transport", "2025-03-26", "MUST", "validate `Origin` on every connection", "kept",
        _shown(
            _AUTHORIZATION, "test_a_foreign_origin_is_403_whoever_asks", "test_several_origins_are_refused",
            "test_an_origin_is_the_servers_own_or_listed_or_there_is_none",
            "test_an_answer_that_stands_ready_is_not_given_to_a_foreign_page",
        )
        + _shown(
            "tests/lane/test_differential.py",
            "test_every_origin_is_judged_alike_also_where_an_answer_without_one_stands_ready",
        ),
    ),
    Requirement(
        "transport", "2025-11-25", "MUST", "answer an invalid `Origin` by 403", "kept",
        _shown(_AUTHORIZATION, "test_a_foreign_origin_is_403_whoever_asks"),
    ),
    Requirement(
        "transport", "2025-03-26", "SHOULD", "authenticate every connection", "kept",
        _shown(_AUTHORIZATION, "test_every_request_of_a_session_needs_a_token_and_its_scopes"),
    ),
    Requirement(
        "transport", "2025-03-26", "SHOULD", "listen on localhost only, where it runs locally", "yours",
        _shown("tests/config/test_load.py", "test_the_smallest_configuration_has_safe_defaults"),
        "bearerd does by default; bind the MCP server so, too: whoever reaches it past the gateway is asked for nothing",
    ),
)  # fmt: skip


def requirements() -> str:
    """The table."""
    lines = ["| of | revisions | level | a server has to | status | shown by |", "|---|---|---|---|---|---|"]
    for row in REQUIREMENTS:
        when = _span(row.since, row.until)
        status = f"**{row.status}**" + (f": {row.why}" if row.why else "")
        tests = "<br>".join(f"`{test}`" for test in row.tests) or "–"
        lines.append(f"| {row.section} | {when} | {row.level} | {row.what} | {status} | {tests} |")
    return "\n".join(lines)


def _span(since: str, until: str) -> str:
    if since == until:
        return since
    return f"since {since}" if since != VERSIONS[0] else "all"
