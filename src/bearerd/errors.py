"""The exceptions that bearerd raises; each carries a refusal, so that none can end as an allow."""

from __future__ import annotations

from bearerd.refusals import Code, Refusal


class BearerdError(Exception):
    """Root of all.  ``refusal`` is what a request that meets this error is answered with."""

    code = Code.INTERNAL_ERROR

    def __init__(self, detail: str = "", *hints: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(self.code, detail, hints)


class ConfigError(BearerdError):
    """The configuration cannot be used.  ``problems`` holds all of them: (dotted key, what is wrong, remedy)."""

    def __init__(self, source: str, problems: list[tuple[str, str, str]]) -> None:
        lines = [f"{source}: {key}: {wrong}" + (f" ({remedy})" if remedy else "") for key, wrong, remedy in problems]
        super().__init__("\n".join(lines))
        self.source = source
        self.problems = problems


class UnreadableConfig(ConfigError):
    """There is no such file, or it may not be read: nothing was judged."""


class JwsError(BearerdError):
    """A token that is refused for what it is."""

    code = Code.MALFORMED_TOKEN


class MalformedToken(JwsError):
    """Not a JWS in strict compact serialisation (RFC 7515 section 7.1)."""


class TooLarge(JwsError):
    """Longer than the limit; nothing of it was decoded."""

    code = Code.TOO_LARGE


class UnsupportedAlg(JwsError):
    """The algorithm is not allowed here, or not by this key (RFC 8725 section 3.1)."""

    code = Code.UNSUPPORTED_ALG


class BadSignature(JwsError):
    """The signature does not verify."""

    code = Code.BAD_SIGNATURE


class UnusableKey(JwsError):
    """A JWK that cannot be used: private, too short, wrong ``use``, ``key_ops`` or curve (RFC 7517)."""

    code = Code.UNKNOWN_KEY


class IssuerFault(BearerdError):
    """Fetching or reading an issuer's metadata or keys failed.  ``reason`` is a label of low cardinality.

    ``status``: of the HTTP answer, where that was the fault.
    """

    code = Code.ISSUER_UNAVAILABLE

    def __init__(self, reason: str, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.status = status


class StoreError(BearerdError):
    """The store did not answer, or answered what it must not."""

    code = Code.STALE_STATE


class StoreRight(StoreError):
    """The store's user may not give this command, or not with these keys."""


class StoreFull(StoreError):
    """The revocation limit is reached: nothing more is acknowledged."""
