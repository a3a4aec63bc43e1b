"""A revocation cannot be dodged: whatever is made of a revoked token is refused, as malformed or with its original.

Through ``/auth`` of a running bearerd with two workers and a store of its own.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support import jose
from support.bearerd import RESOURCE, Bearerd, config, wait_for
from support.bearerd import issuer as main_issuer
from support.house import ISS, key, token

OTHER = "https://other.example"
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4, D.1.2.3)
SLACK = 2
B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def issuers() -> str:
    """The test's issuer, and another with keys of its own."""
    members = ", ".join(f"{name} = {json.dumps(value)}" for name, value in key(1).items())
    return (
        main_issuer()
        + f"""
[[issuer]]
issuer = "{OTHER}"
name = "other"
algorithms = ["ES256"]
jwks = {{ keys = [{{ {members} }}] }}
"""
    )


@pytest.fixture(scope="module")
def bearerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bearerd]:
    folder = tmp_path_factory.mktemp("bearerd")
    with Bearerd(folder, config(resource=RESOURCE, issuers=issuers())) as running:
        yield running


def given(**claims: Any) -> str:
    """A token with a scope that the rule asks for, and an id of its own unless told."""
    return token(**{"jti": f"{time.monotonic_ns()}", "sub": f"u{time.monotonic_ns()}"} | claims)


def statuses(bearerd: Bearerd, credential: str) -> set[int]:
    """What both workers say: connections are spread over them."""
    return {bearerd.decide(token=credential).status for _ in range(6)}


def revoke(bearerd: Bearerd, **body: Any) -> dict[str, Any]:
    answer = bearerd.api("POST", "/v1/revocations", body)
    assert answer.status == 201, answer.body
    assert answer.json()["acknowledged"] == "enforced"
    found: dict[str, Any] = answer.json()
    return found


def parts(credential: str) -> tuple[str, str, str]:
    head, payload, signature = credential.split(".")
    return head, payload, signature


def flipped(credential: str) -> str:
    """The same signature's twin: (r, n - s) verifies wherever (r, s) does."""
    head, payload, signature = parts(credential)
    octets = urlsafe_b64decode(signature + "==")
    twin = octets[:32] + (CURVE_ORDER - int.from_bytes(octets[32:], "big")).to_bytes(32, "big")
    return f"{head}.{payload}.{jose.b64(twin)}"


def loose(segment: str) -> str:
    """Another spelling of the same octets: bits of the last character that stand for none."""
    spare = {2: 16, 3: 4}[len(segment) % 4]
    last = B64.index(segment[-1])
    return segment[:-1] + B64[last - last % spare + (last + 1) % spare]


def rewritten(segment: str) -> str:
    """The same JSON, spelled another way."""
    said = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return jose.b64(json.dumps(said, separators=(",", ":"), sort_keys=True).encode())


def spellings(credential: str) -> dict[str, str]:
    """Everything that may be made of a token by somebody without its issuer's key."""
    head, payload, signature = parts(credential)
    found = {
        "the same": credential,
        "signature flipped": flipped(credential),
        "header written anew": f"{rewritten(head)}.{payload}.{signature}",
        "payload written anew": f"{head}.{rewritten(payload)}.{signature}",
        "signature padded": f"{credential}==",
        "header padded": f"{head}{'=' * (-len(head) % 4) or '='}.{payload}.{signature}",
        "payload padded": f"{head}.{payload}{'=' * (-len(payload) % 4) or '='}.{signature}",
        "the other alphabet": credential.replace("-", "+").replace("_", "/")
        + ("" if set("-_") & set(credential) else "+"),
        "a dot more": f"{credential}.",
        "a dot before": f".{credential}",
        "DER for the signature": f"{head}.{payload}.{jose.b64(der(signature))}",
        "signature with zeros before": f"{head}.{payload}.{jose.b64(widened(signature))}",
    }
    for name, place in (("header", 0), ("payload", 1), ("signature", 2)):
        segments = list(parts(credential))
        if len(segments[place]) % 4 in (2, 3):
            segments[place] = loose(segments[place])
            found[f"{name} with loose bits"] = ".".join(segments)
    return found


def der(signature: str) -> bytes:
    octets = urlsafe_b64decode(signature + "==")
    return encode_dss_signature(int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big"))


def widened(signature: str) -> bytes:
    octets = urlsafe_b64decode(signature + "==")
    return b"\0" + octets[:32] + b"\0" + octets[32:]


GOOD = {"the same", "signature flipped"}  # whoever verifies signatures cannot tell the twin from the original


@pytest.mark.parametrize("jti", ["named", "nameless"])
def test_however_a_revoked_token_is_spelled_it_is_refused(bearerd: Bearerd, jti: str) -> None:
    good = given() if jti == "named" else given(jti=...)
    made = spellings(good)
    before = {name: statuses(bearerd, spelled) for name, spelled in made.items()}
    assert before == {name: {200} if name in GOOD else {401} for name in made}
    revoke(bearerd, token=good)
    assert {name: statuses(bearerd, spelled) for name, spelled in made.items()} == {name: {401} for name in made}


def test_the_twin_may_be_what_is_revoked(bearerd: Bearerd) -> None:
    good = given(jti=...)
    revoke(bearerd, token=flipped(good))
    assert statuses(bearerd, good) == {401}


def test_a_token_is_revoked_by_its_name_and_by_its_digest(bearerd: Bearerd) -> None:
    good, other = given(), given()
    revoke(bearerd, kind="token", issuer=ISS, value=hashlib.sha256(good.rpartition(".")[0].encode()).hexdigest())
    assert statuses(bearerd, good) == {401}
    revoke(bearerd, kind="token", issuer=ISS, value=json.loads(urlsafe_b64decode(parts(other)[1] + "=="))["jti"])
    assert statuses(bearerd, other) == {401}
    assert statuses(bearerd, flipped(other)) == {401}


@pytest.mark.parametrize("name", ["jti", "sub", "sid", "client_id", "azp", "appid", "cid"])
@pytest.mark.parametrize("value", [7, 7.0, True, None, ["7"], {"7": 7}])
def test_a_name_of_another_json_type_is_refused_so_none_escapes_what_revokes_7(
    bearerd: Bearerd, name: str, value: Any
) -> None:
    """Signed by the issuer itself: such a token would not be found under the string that an operator revokes."""
    assert bearerd.decide(token=given(**{name: value})).status == 401
    assert bearerd.decide(token=given(**{name: "7" if name == "jti" else "u7"})).status == 200


def test_the_same_names_under_another_issuer_are_untouched(bearerd: Bearerd) -> None:
    claims = {"sub": "alice", "jti": "shared", "sid": "s", "client_id": "shared-app"}
    ours, theirs = token(**claims), token(1, iss=OTHER, **claims)
    for kind, value in (("token", "shared"), ("subject", "alice"), ("session", "s"), ("client", "shared-app")):
        body = {"kind": kind, "issuer": ISS, "value": value}
        assert statuses(bearerd, ours) == statuses(bearerd, theirs) == {200}, kind
        revoke(bearerd, **body)
        assert statuses(bearerd, ours) == {401}, kind
        assert statuses(bearerd, theirs) == {200}, kind
        assert bearerd.api("DELETE", "/v1/revocations", body).status == 201
    body = {"kind": "issuer", "issuer": OTHER, "value": ""}
    revoke(bearerd, **body)
    assert statuses(bearerd, ours) == {200}
    assert statuses(bearerd, theirs) == {401}
    assert bearerd.api("DELETE", "/v1/revocations", body).status == 201


def test_a_login_within_the_slack_of_a_cut_off_is_refused_and_the_next_one_is_not(bearerd: Bearerd) -> None:
    subject = f"u{time.monotonic_ns()}"
    sequence = revoke(bearerd, kind="subject", issuer=ISS, value=subject)["sequence"]
    (entry,) = bearerd.api("GET", f"/v1/revocations?after={sequence - 1}&most=1").json()["revocations"]
    cut = entry["before"]
    assert cut >= int(entry["at"]) + SLACK - 1
    for issued in (cut - 1, cut, cut + 0.999):
        again = given(sub=subject, iat=issued, exp=cut + 600)
        assert statuses(bearerd, again) == {401}, issued
    assert statuses(bearerd, given(sub=subject, iat=cut + 1, exp=cut + 600)) == {200}


def said(event: dict[str, Any], name: str) -> bool:
    return event.get("issuer") == name and "ahead by more than cutoff_slack" in event.get("event", "")


def test_an_issuer_whose_clock_leads_by_more_than_the_slack_is_seen(bearerd: Bearerd) -> None:
    """Its tokens of the next seconds are outside every cut-off "as of now": the metric and the log show it."""
    before = bearerd.metric("bearerd_issuer_clock_ahead_total", issuer="other")
    assert bearerd.decide(token=token(1, iss=OTHER, iat=int(time.time()) + 20)).status == 200
    assert bearerd.metric("bearerd_issuer_clock_ahead_total", issuer="other") == before + 1
    wait_for(lambda: [event for event in bearerd.events() if said(event, "other")])
    assert (
        bearerd.decide(token=token(1, iss=OTHER, iat=int(time.time()) + 600, exp=int(time.time()) + 900)).status == 401
    )
