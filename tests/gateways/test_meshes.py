"""Envoy told as Istio and Envoy Gateway tell it by examples/kubernetes: what bearerd is shown of a client's fields then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from stage import EXAMPLES

from gateways.conftest import Gateway

pytestmark = pytest.mark.timeout(300)

ENVOY = (EXAMPLES / "envoy" / "envoy.yaml").read_text()
FOLDER = EXAMPLES / "kubernetes"
REGEX = '                          - { safe_regex: { regex: "x[^a-z0-9]auth[^a-z0-9].*" } }  # as the laxest upstream reads it\n'


def lists(file: Path) -> list[str]:
    """The fields that bearerd is shown."""
    for document in yaml.safe_load_all(file.read_text()):
        if document.get("kind") == "SecurityPolicy":
            return list(document["spec"]["extAuth"]["headersToExtAuth"])
        if "meshConfig" in document:
            return list(
                document["meshConfig"]["extensionProviders"][0]["envoyExtAuthzHttp"]["includeRequestHeadersInCheck"]
            )
    raise AssertionError(file)


def told(file: str) -> dict[str, str]:
    """The example's matchers replaced by what they would make of the list: exact, or a prefix before a star."""
    lines = [
        f"                          - {{ prefix: {name[:-1]} }}\n"
        if name.endswith("*")
        else f"                          - {{ exact: {name} }}\n"
        for name in lists(FOLDER / file)
    ]
    assert REGEX in ENVOY
    return {REGEX: "".join(lines)}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("file", ["istio-mesh.yaml", "envoy-gateway.yaml"])
def test_nobody_brings_an_identity_along(fresh: Callable[..., Gateway], file: str) -> None:
    gateway = fresh("envoy", told(file))
    bearer = f"Authorization: Bearer {gateway.token()}"
    for path in ("/orders/7", "/health"):
        assert status(gateway.say(path, bearer, "X-Auth-Subject: forged")) == 403
        assert status(gateway.say(path, bearer, "x-auth-roles: forged")) == 403
        assert status(gateway.say(path, bearer, "X_Auth_Subject: forged")) == 400  # by Envoy
        for character in ".~!#$%&'*+^|`":
            answer = gateway.say(path, bearer, f"X{character}Auth{character}Subject: forged")
            # Envoy Gateway's list has no patterns: as the guide says, these reach the upstream.
            assert status(answer) == (403 if file == "istio-mesh.yaml" else 200), character
    assert b'"alice"' in gateway.say("/orders/7", bearer)
    assert status(gateway.say("/orders/7")) == 401
