"""Properties of the whole verifier, caches included."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import jose
from support.desk import ISS, WALL, Desk, token

from bearerd.refusals import Refusal
from bearerd.verify.verified import Verified

GOOD = token("EdDSA", scope="read", sid="s", client_id="app")
RSA = token("RS256", scope="read")
WATCHED = Desk()
EXPECTED = {text: WATCHED.verified(text).claims for text in (GOOD, RSA)}


@settings(max_examples=500)
@given(text=st.sampled_from([GOOD, RSA]), at=st.integers(0, 10_000), to=st.integers(0, 255))
def test_no_single_changed_byte_gives_other_claims(text: bytes, at: int, to: int) -> None:
    changed = bytearray(text)
    changed[at % len(text)] = to
    found = WATCHED.verify(bytes(changed))
    assert not isinstance(found, Verified) or (bytes(changed) == text and found.claims == EXPECTED[text])


@settings(max_examples=300)
@given(first=st.integers(0, 2), second=st.integers(0, 2), third=st.integers(0, 2))
def test_no_mixture_of_good_tokens_is_a_token(first: int, second: int, third: int) -> None:
    texts = (GOOD, RSA, token("ES256", sub="bob"))
    parts = [texts[number].split(b".")[place] for place, number in enumerate((first, second, third))]
    found = WATCHED.verify(b".".join(parts))
    assert isinstance(found, Verified) == (first == second == third)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
CLAIM_NAMES = (
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "client_id",
    "azp",
    "scope",
    "roles",
    "typ",
    "cnf",
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.dictionaries(st.sampled_from(CLAIM_NAMES), json_values, max_size=3))
def test_whatever_an_issuer_signs_is_answered_and_a_record_equals_what_was_read(changes: dict[str, Any]) -> None:
    """No claim makes verify_now raise, and what the cache gives back is what the examination gave."""
    said = {"iss": ISS, "sub": "alice", "iat": WALL - 10, "exp": WALL + 600, **changes}
    text = jose.compact({"alg": "EdDSA", "kid": "EdDSA-0"}, said, "EdDSA", jose.private("Ed25519")).encode()
    first, second = WATCHED.verify(text), WATCHED.verify(text)
    if isinstance(first, Verified):
        assert first == second
        assert first.claims == json.loads(json.dumps(said))
    else:
        assert isinstance(second, Refusal)
        assert first.code is second.code


@given(noise=st.binary(max_size=60) | st.text("abc._-=", max_size=60).map(str.encode))
def test_noise_is_refused(noise: bytes) -> None:
    assert isinstance(WATCHED.verify(noise), Refusal)
