"""Why a request was not allowed: the closed list of codes, and everything that follows from a code.

Answers, metrics, docs/refusals.md and the tests are made from ``TABLE``.  Codes are added, never renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What a decision asks of the face (the ``outcome`` label of the metrics)."""

    ALLOW = "allow"
    CHALLENGE = "challenge"
    FORBID = "forbid"
    UNAVAILABLE = "unavailable"


class Code(StrEnum):
    """The reason of a refusal."""

    MISSING_TOKEN = "missing_token"  # noqa: S105 - a code, not a secret
    UNSUPPORTED_SCHEME = "unsupported_scheme"
    AMBIGUOUS_CREDENTIALS = "ambiguous_credentials"
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105 - a code, not a secret
    UNSUPPORTED_ALG = "unsupported_alg"
    BAD_SIGNATURE = "bad_signature"
    TOO_LARGE = "too_large"
    WRONG_TYPE = "wrong_type"
    TOO_LONG_LIVED = "too_long_lived"
    MISSING_CLAIM = "missing_claim"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    REVOKED = "revoked"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    FORBIDDEN = "forbidden"
    AMBIGUOUS_PATH = "ambiguous_path"
    UNTRUSTED_PEER = "untrusted_peer"
    UNKNOWN_RESOURCE = "unknown_resource"
    CONFIRMATION_REQUIRED = "confirmation_required"
    UNREVIEWED_TOOL = "unreviewed_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    REQUEST_MISMATCH = "request_mismatch"
    PROOF_REQUIRED = "proof_required"
    BAD_PROOF = "bad_proof"
    REPLAYED = "replayed"
    BAD_REQUEST = "bad_request"
    HEAD_TOO_LARGE = "head_too_large"
    INVALID_CLIENT = "invalid_client"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    STALE_STATE = "stale_state"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Row:
    """All that is known of one code."""

    code: Code
    status: int  # the HTTP status meant for the client
    error: str | None  # RFC 6750 section 3.1, RFC 6749 or RFC 9449 error, if the client is told one
    remembered: bool  # a pure function of the token's bytes, the key sets and the configuration
    meaning: str  # one sentence for whoever is on call
    introduced_by: str | None = None  # not reachable yet; what will bring it

    @property
    def outcome(self) -> Outcome:
        """The outcome that the status amounts to."""
        if self.status == 401:
            return Outcome.CHALLENGE
        return Outcome.UNAVAILABLE if self.status == 503 else Outcome.FORBID


_INVALID: Final = "invalid_token"
_GUARD: Final = "the MCP guard"

_ROWS: Final = (
    Row(Code.MISSING_TOKEN, 401, None, False, "The request carries no bearer token."),
    Row(Code.UNSUPPORTED_SCHEME, 401, None, False, "The Authorization field uses another scheme than Bearer."),
    Row(Code.AMBIGUOUS_CREDENTIALS, 401, "invalid_request", False, "More than one credential, or one in the query."),
    Row(
        Code.MALFORMED_TOKEN,
        401,
        _INVALID,
        True,
        "The token is no JWS in strict compact serialisation, nor a credential of a kind that the resource takes.",
    ),
    Row(Code.UNSUPPORTED_ALG, 401, _INVALID, True, "The token's algorithm is not among the issuer's."),
    Row(Code.BAD_SIGNATURE, 401, _INVALID, True, "The signature does not verify under the key that the token names."),
    Row(Code.TOO_LARGE, 401, _INVALID, False, "The token is longer than max_token_bytes."),
    Row(Code.WRONG_TYPE, 401, _INVALID, False, "The token is not an access token (typ, or marks of an ID token)."),
    Row(Code.TOO_LONG_LIVED, 401, _INVALID, False, "exp - iat exceeds the lifetime that issuer or resource allows."),
    Row(Code.MISSING_CLAIM, 401, _INVALID, False, "A required claim is absent or has the wrong JSON type."),
    Row(Code.UNKNOWN_ISSUER, 401, _INVALID, False, "The issuer is not configured, or not accepted by the resource."),
    Row(
        Code.UNKNOWN_KEY,
        401,
        _INVALID,
        False,
        "The issuer's key set has no single key for this token; or there is no such API key.",
    ),
    Row(Code.EXPIRED, 401, _INVALID, False, "exp plus leeway has passed."),
    Row(Code.NOT_YET_VALID, 401, _INVALID, False, "nbf or iat lies in the future by more than the leeway."),
    Row(Code.WRONG_AUDIENCE, 401, _INVALID, False, "The token is addressed to another resource."),
    Row(Code.REVOKED, 401, _INVALID, False, "The token, its subject, session, client, key or issuer is revoked."),
    Row(Code.INSUFFICIENT_SCOPE, 403, "insufficient_scope", False, "A scope that the rule requires is missing."),
    Row(
        Code.FORBIDDEN,
        403,
        None,
        False,
        "No rule allows this, or one that matches asks for more, or a human has denied it.",
    ),
    Row(Code.AMBIGUOUS_PATH, 403, None, False, "The path can be read in two ways, so rules cannot be applied."),
    Row(Code.UNTRUSTED_PEER, 403, None, False, "The original request is unknown or told by an untrusted peer."),
    Row(
        Code.UNKNOWN_RESOURCE,
        403,
        None,
        False,
        "No such resource, or it does not list this face; at `/auth`, no resource has that host and path.",
    ),
    Row(Code.CONFIRMATION_REQUIRED, 403, None, False, "A human must confirm this call first."),
    Row(Code.UNREVIEWED_TOOL, 403, None, False, "The tool is new or changed since its review."),
    Row(
        Code.INVALID_ARGUMENTS,
        400,
        None,
        False,
        "The arguments do not fit the tool's schema, or hold what is to be blocked.",
    ),
    Row(Code.REQUEST_MISMATCH, 400, None, False, "MCP: headers and body differ, or a header is missing."),
    Row(Code.PROOF_REQUIRED, 401, _INVALID, False, "A sender-constrained token (cnf) was presented as Bearer."),
    Row(Code.BAD_PROOF, 401, "invalid_dpop_proof", False, "The DPoP proof does not fit.", "DPoP proofs (RFC 9449)"),
    Row(Code.REPLAYED, 401, "invalid_dpop_proof", False, "The DPoP proof was used before.", "DPoP proofs (RFC 9449)"),
    Row(Code.BAD_REQUEST, 400, "invalid_request", False, "A parameter or dialect header is missing or doubled."),
    Row(Code.HEAD_TOO_LARGE, 431, "invalid_request", False, "The request head exceeds a limit."),
    Row(Code.INVALID_CLIENT, 401, "invalid_client", False, "The caller's own credentials are missing or wrong."),
    Row(
        Code.RATE_LIMITED, 429, None, False, "The principal's budget (`rate`) is spent, or too many approvals are open."
    ),
    Row(
        Code.OVERLOADED,
        503,
        None,
        False,
        "Too many requests wait already, or there is no room: for an audit record that must be kept, or for another budget.",
    ),
    Row(
        Code.STALE_STATE,
        503,
        None,
        False,
        "The view of the revocations is older than the resource allows, or the store could not be asked for an `exact` budget or an approval.",
    ),
    Row(Code.ISSUER_UNAVAILABLE, 503, None, False, "No key set of this issuer is usable now."),
    Row(Code.INTERNAL_ERROR, 503, None, False, "A fault of bearerd; it failed closed."),
)

TABLE: Final[dict[Code, Row]] = {row.code: row for row in _ROWS}

if len(TABLE) != len(Code) or len(_ROWS) != len(Code):  # a duplicate or missing row fails at import
    raise AssertionError("refusals.TABLE must hold each code once")


@dataclass(frozen=True, slots=True)
class Approval:
    """Where a human confirms a call, as far as its client may know: of a refusal what to wait for, of an allow what it used."""

    id: str
    state: str  # "pending", "denied"; "used"
    url: str | None  # of the page; None: there is none, an operator decides
    expires_in: int  # seconds


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal: its code, and what only logs, ``/v1`` and ``explain`` may show (never a client: a hint is an oracle)."""

    code: Code
    detail: str = ""
    hints: tuple[str, ...] = ()
    retry_after: int | None = None  # seconds
    approval: Approval | None = None  # the one thing beside the code that a client is always told: it is its way on

    @property
    def row(self) -> Row:
        """The table's row for this code."""
        return TABLE[self.code]
