"""Tokens of a real OAuth server (npm's oidc-provider) through a real nginx."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from ask import Answer, request
from stage import Stage
from support.oidc import OidcProvider, start_oidc_provider


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with start_oidc_provider() as running:
        yield running


@pytest.fixture(scope="module")
def stage(provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage.on_free_ports(tmp_path_factory.mktemp("oauth")) as stage:
        stage.start_upstream()
        config = stage.copy("nginx") / "bearerd.toml"
        text = config.read_text().replace(stage.url("issuer"), provider.issuer_url)
        config.write_text(text.replace('name = "dev"', 'name = "dev"\nunknown_kid_cooldown = "1s"'))
        kept = config.read_text()
        stage.start_gateway("nginx")  # copies the example again
        config.write_text(kept)
        stage.start_bearerd(config)
        yield stage


def ask(stage: Stage, token: str, method: str = "GET") -> Answer:
    return request(stage.ports["nginx"], method, "/orders/7", {"Authorization": f"Bearer {token}"})


def test_a_token_for_this_resource_passes_with_its_identity(stage: Stage, provider: OidcProvider) -> None:
    answer = ask(stage, provider.token(stage.url("nginx", "/"), "api orders:read"))
    assert answer.status == 200
    saw = answer.upstream_saw()
    assert saw is not None
    assert saw["x-auth-client"] == "test-client"
    assert saw["x-auth-scopes"] == "api orders:read"
    assert "authorization" not in saw


def test_a_token_for_another_resource_is_refused(stage: Stage, provider: OidcProvider) -> None:
    assert ask(stage, provider.token("https://elsewhere.example", "api orders:read")).status == 401


def test_a_token_without_the_scope_is_told_which(stage: Stage, provider: OidcProvider) -> None:
    answer = ask(stage, provider.token(stage.url("nginx", "/"), "api orders:read"), "DELETE")
    assert answer.status == 403
    assert 'scope="api orders:write"' in answer.headers["www-authenticate"]


def test_keys_rotate_under_traffic_without_a_false_refusal(stage: Stage, provider: OidcProvider) -> None:
    """With overlap: old tokens go on, tokens of the new key pass from the first, and nobody is refused meanwhile."""
    resource = stage.url("nginx", "/")
    statuses: list[int] = []
    tokens = [provider.token(resource, "api orders:read")]
    done = threading.Event()

    def traffic() -> None:
        while not done.is_set():
            statuses.extend(ask(stage, token).status for token in tuple(tokens))

    threads = [threading.Thread(target=traffic) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            seen = len(statuses)
            kid = provider.rotate(overlap=True)
            assert kid
            tokens.append(provider.token(resource, "api orders:read"))
            while len(statuses) < seen + 60:
                done.wait(0.01)
            done.wait(1.1)  # the cool-down of unknown key ids: a rotation within it is found out at the next fetch
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
