from __future__ import annotations

import json
import string
import warnings
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from support import jose
from support.jose import b64, compact, jwk, private, token

from bearerd import jws
from bearerd.errors import (
    BadSignature,
    BearerdError,
    JwsError,
    MalformedToken,
    TooLarge,
    UnsupportedAlg,
    UnusableKey,
)
from bearerd.jws.algorithms import ALGORITHMS
from bearerd.limits import Limits

NAMES = sorted(ALGORITHMS)
CLAIMS = {"iss": "https://issuer.example", "sub": "alice"}
AMPLE = Limits(max_token_bytes=32 * 1024)


def key_of(alg: str) -> dict[str, Any]:
    return jwk(jose.KIND[alg])


@pytest.mark.parametrize("alg", NAMES)
def test_a_good_token_comes_back_as_header_and_payload(alg: str) -> None:
    found = jws.verify(token(alg, CLAIMS, kid="k"), key_of(alg), [alg])
    assert found == jws.Jws({"alg": alg, "kid": "k"}, json.dumps(CLAIMS).encode())


@pytest.mark.parametrize("payload", [b"", b"\x00\xff", b"no json", b'{"a":1,"a":2}', b"{" * 500])
def test_the_payload_may_be_any_bytes(payload: bytes) -> None:
    assert jws.verify(token("ES256", payload), key_of("ES256"), {"ES256"}).payload == payload


def test_a_token_is_text_or_bytes() -> None:
    text = token("ES256")
    assert jws.verify(text, key_of("ES256"), ["ES256"]) == jws.verify(text.encode(), key_of("ES256"), ["ES256"])


class Octets(bytes):
    """A subclass, which the native parser does not take."""


def test_a_subclass_of_bytes_is_bytes() -> None:
    assert jws.verify(Octets(token("ES256").encode()), key_of("ES256"), ["ES256"]).payload == b"payload"


@pytest.mark.parametrize(
    "thing", [None, 7, bytearray(b"a.b.c"), ["a"], "tok\u00e9n", "a.b.\ud800", "", b"", b"\xff" * 9]
)
def test_anything_else_is_malformed(thing: Any) -> None:
    with pytest.raises(MalformedToken):
        jws.verify(thing, key_of("ES256"), ["ES256"])


@pytest.mark.parametrize("allowed", [[], ["ES384"], "ES", "xES256x", ["none"], frozenset({"HS256", "RS256"})])
def test_an_algorithm_that_is_not_allowed_is_unsupported(allowed: Any) -> None:
    with pytest.raises(UnsupportedAlg):
        jws.verify(token("ES256"), key_of("ES256"), allowed)


def test_a_single_name_is_one_algorithm() -> None:
    assert jws.verify(token("ES256"), key_of("ES256"), "ES256").payload == b"payload"


def test_none_is_unsupported_even_if_it_is_allowed() -> None:
    text = ".".join(map(b64, (b'{"alg":"none"}', b"{}", b"x")))
    with pytest.raises(UnsupportedAlg):
        jws.verify(text, key_of("ES256"), ["none", "ES256"])


def test_a_public_key_is_no_hmac_secret() -> None:
    """RFC 8725 section 2.1: the classic."""
    public = key_of("RS256")
    text = compact({"alg": "HS256"}, b"{}", "HS256", public["n"].encode())
    with pytest.raises(UnsupportedAlg):
        jws.verify(text, public, ["HS256", "RS256"])


def test_the_keys_own_alg_is_obeyed() -> None:
    assert jws.verify(token("RS256"), jwk("RSA", alg="RS256"), NAMES)
    with pytest.raises(UnsupportedAlg):
        jws.verify(token("RS256"), jwk("RSA", alg="PS256"), NAMES)


@pytest.mark.parametrize(
    "members",
    [{"use": "enc"}, {"key_ops": ["sign"]}, {"d": "AQAB"}, {"kty": "EC"}, {"n": "AQAB"}, {"kid": 7}],
)
def test_an_unusable_key_says_so(members: dict[str, Any]) -> None:
    with pytest.raises(UnusableKey):
        jws.verify(token("RS256"), key_of("RS256") | members, ["RS256"])


@pytest.mark.parametrize("thing", [None, "jwk", b"{}", [], 7, [("kty", "RSA")]])
def test_a_key_that_is_no_mapping_is_unusable(thing: Any) -> None:
    with pytest.raises(UnusableKey):
        jws.verify(token("RS256"), thing, ["RS256"])


def test_the_kid_is_not_compared() -> None:
    assert jws.verify(token("ES256", kid="a"), jwk("P-256", kid="b"), ["ES256"])


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_token_does_not_bring_its_own_key(member: str) -> None:
    """RFC 8725 section 3.10: signed by the attacker's key, which its header offers."""
    offered = {"jwk": jwk("P-256", 1), "jku": "https://evil.example", "x5u": "https://evil.example", "x5c": ["MII"]}
    with pytest.raises(BadSignature):
        jws.verify(token("ES256", number=1, **{member: offered[member]}), key_of("ES256"), ["ES256"])
    assert jws.verify(token("ES256", **{member: offered[member]}), key_of("ES256"), ["ES256"])


def test_a_longer_token_than_the_limit_is_too_large() -> None:
    short = Limits(max_token_bytes=256)
    with pytest.raises(TooLarge):
        jws.verify(token("ES256", b"x" * 200), key_of("ES256"), ["ES256"], limits=short)
    with pytest.raises(TooLarge):
        jws.verify("x" * 9000, key_of("ES256"), ["ES256"])


@pytest.mark.parametrize("header", [b'{"alg":"ES256","alg":"ES256"}', b'{"alg":"ES256","\\u0061lg":"none"}'])
def test_a_doubled_header_member_is_malformed(header: bytes) -> None:
    with pytest.raises(MalformedToken):
        jws.verify(compact(header, b"{}", "ES256", private("P-256")), key_of("ES256"), ["ES256"])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t + "=",
        lambda t: t + ".",
        lambda t: "." + t,
        lambda t: t.replace(".", ".=", 1),
        lambda t: t.rpartition(".")[0] + ".",
        lambda t: t.rpartition(".")[0],
        lambda t: t + ".a.b",
        lambda t: t.replace(".", "..", 1),
        lambda t: " " + t,
        lambda t: t + "\n",
    ],
)
def test_another_spelling_is_malformed(change: Callable[[str], str]) -> None:
    with pytest.raises(MalformedToken):
        jws.verify(change(token("ES256")), key_of("ES256"), ["ES256"])


# Beside two libraries


def pyjwt_accepts(text: str, key: dict[str, Any], alg: str) -> bytes | None:
    try:
        return bytes(jwt.PyJWS().decode_complete(text, jwt.PyJWK(key, algorithm=alg), algorithms=[alg])["payload"])
    except Exception:  # noqa: BLE001 - it refused, in whatever words
        return None


def joserfc_accepts(text: str, key: dict[str, Any], alg: str) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "EdDSA is deprecated"
            found = joserfc_jws.deserialize_compact(text, joserfc_jwk.import_key(key), algorithms=[alg])
        return bytes(found.payload)
    except Exception:  # noqa: BLE001 - it refused, in whatever words
        return None


def we_accept(text: str, key: dict[str, Any], alg: str) -> bytes | None:
    try:
        return jws.verify(text, key, [alg], limits=AMPLE).payload
    except JwsError:
        return None


BOTH = [name for name in NAMES if name not in ("Ed25519", "Ed448")]  # PyJWT has no fully specified names
extra_members = st.dictionaries(
    st.sampled_from(["typ", "cty", "kid", "x", "jku", "x5t", "nonce"]), st.text(max_size=12), max_size=4
)


@settings(max_examples=150)
@given(alg=st.sampled_from(BOTH), payload=st.binary(max_size=200), members=extra_members)
def test_what_both_libraries_accept_we_accept(alg: str, payload: bytes, members: dict[str, str]) -> None:
    text, key = token(alg, payload, **members), key_of(alg)
    theirs = {pyjwt_accepts(text, key, alg), joserfc_accepts(text, key, alg)}
    assert theirs - {None} == {payload}  # at least one accepts: jose and the libraries agree on what a token is
    assert we_accept(text, key, alg) == payload


ALPHABET = string.ascii_letters + string.digits + "-_.=+/ \n\u00e9"


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, dict[str, Any], str]:
    """A token near a good one: its bytes, its header, its key or its algorithm changed, once or twice."""
    alg = draw(st.sampled_from(BOTH))
    kind = jose.KIND[alg]
    header: dict[str, Any] = {"alg": alg}
    if draw(st.booleans()):
        header |= draw(
            st.dictionaries(
                st.sampled_from(["alg", "crit", "b64", "kid", "typ"]),
                st.sampled_from([None, False, 0, [], ["b64"], ["exp"], "none", "HS256", "RS256", "ES256", "k"]),
                max_size=2,
            )
        )
    text = compact(header, draw(st.binary(max_size=40)), alg, private(kind, draw(st.sampled_from([0, 0, 0, 1]))))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text) - 1))
        what = draw(st.sampled_from(ALPHABET))
        text = draw(
            st.sampled_from(
                [text[:at] + what + text[at:], text[:at] + what + text[at + 1 :], text[:at] + text[at + 1 :]]
            )
        )
    key = jwk(draw(st.sampled_from([kind, kind, kind, "RSA", "P-256", "oct"])))
    return text, key, alg


@settings(max_examples=400)
@given(case=damaged())
def test_what_both_libraries_refuse_we_refuse(case: tuple[str, dict[str, Any], str]) -> None:
    ours = we_accept(*case)
    if ours is not None:
        assert ours in (pyjwt_accepts(*case), joserfc_accepts(*case))


@settings(max_examples=200)
@given(alg=st.sampled_from(["ES256", "EdDSA", "HS256", "RS256"]), at=st.integers(0, 10_000), to=st.integers(0, 255))
def test_no_token_with_one_byte_changed_verifies(alg: str, at: int, to: int) -> None:
    octets = bytearray(token(alg, CLAIMS, kid="k").encode())
    at %= len(octets)
    if octets[at] == to:
        return
    octets[at] = to
    with pytest.raises(JwsError):
        jws.verify(bytes(octets), key_of(alg), [alg])


wild_keys = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "k", "alg", "use"]),
    st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "sig", "RS256", "AQAB", "", b64(bytes(32))]),
)


@given(text=st.text(max_size=80) | st.binary(max_size=80), key=wild_keys, allowed=st.sets(st.sampled_from(NAMES)))
def test_only_our_errors_are_raised(text: str | bytes, key: dict[str, str], allowed: set[str]) -> None:
    with pytest.raises(BearerdError):
        jws.verify(text, key, allowed)


@given(key=wild_keys | st.sampled_from([jwk(kind) for kind in ("RSA", "P-256", "Ed25519", "oct")]))
def test_only_our_errors_are_raised_for_a_good_token_and_any_key(key: dict[str, str]) -> None:
    for alg in ("RS256", "ES256", "EdDSA", "HS256"):
        try:
            found = jws.verify(token(alg), key, NAMES)
        except JwsError:
            continue
        assert key == key_of(alg)
        assert found.payload == b"payload"
