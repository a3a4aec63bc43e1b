"""One auth URL for two hosts, told to each gateway in the words of its guide: a host gets its own resource's answer, and no
words of a client's change which one that is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stage import EXAMPLES

from gateways.conftest import Gateway, start
from gateways.test_forgery import saw, status

pytestmark = pytest.mark.timeout(300)

API, SHOP = "api.example.com", "shop.example.com"
ASKS = {  # what stands in the example, and what the guide has instead
    "nginx": ("proxy_pass http://bearerd/auth/api; ", "proxy_pass http://bearerd/auth; "),
    "traefik": ("address: http://127.0.0.1:9180/auth/api ", "address: http://127.0.0.1:9180/auth "),
    "caddy": ("uri /auth/api?", "uri /auth?"),
}


def changes(name: str) -> dict[str, str]:
    guide = (EXAMPLES / name / "README.md").read_text()
    dialect = "nginx" if name == "nginx" else "forwarded"
    listen = f'listen = [{{ address = "127.0.0.1:9180", gateway = "{dialect}" }}]'
    before, after = ASKS[name]
    for words in (listen, f'hosts = ["{API}"]', f'hosts = ["{SHOP}"]', after.strip()):
        assert words in guide
    shop = f'[resource.shop]\nidentifier = "https://{SHOP}"\ngateway = "{dialect}"\nhosts = ["{SHOP}"]\n\n'
    return {
        'listen = ["127.0.0.1:9180"]': listen,
        f'gateway = "{dialect}"\nscopes': f'gateway = "{dialect}"\nhosts = ["{API}"]\nscopes',
        "[resource.api]": shop + "[resource.api]",
        before: after,
    }


@pytest.fixture(scope="module", params=ASKS)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from start(request.param, tmp_path_factory.mktemp(request.param), changes(request.param))


@pytest.fixture
def tokens(gateway: Gateway) -> dict[str, str]:
    """Of each host, a header line with a token that is good there and nowhere else."""
    made = {API: gateway.token(), SHOP: gateway.token(audience=f"https://{SHOP}")}
    return {host: f"Authorization: Bearer {token}" for host, token in made.items()}


def passed(answer: bytes) -> str | None:
    """The Host that the upstream received; None: it was not asked."""
    return dict(saw(answer))["host"].partition(":")[0].removesuffix(".").lower() if status(answer) == 200 else None


def test_each_host_has_its_own_resource(gateway: Gateway, tokens: dict[str, str]) -> None:
    for host, other in ((API, SHOP), (SHOP, API)):
        for spelled in (host, host.upper(), f"{host}:443", f"{host}."):
            assert passed(gateway.say("/orders/7", tokens[host], host=spelled)) == host
            assert status(gateway.say("/orders/7", tokens[other], host=spelled)) == 401
    assert status(gateway.say("/health", host=API)) == 200  # its own open rule
    assert status(gateway.say("/health", host=SHOP)) == 401


@pytest.mark.parametrize(
    "host", ["x", "example.com", f"x.{API}", f"{API}x", "127.0.0.1", "[::1]", "xn--bcher-kva.example"]
)
def test_another_host_is_nobody_s(gateway: Gateway, tokens: dict[str, str], host: str) -> None:
    for line in tokens.values():
        assert status(gateway.say("/orders/7", line, host=host)) == 403
    assert status(gateway.say("/health", host=host)) == 403


@pytest.mark.parametrize(
    "host",
    [
        f"{API}, {SHOP}", f"{SHOP},{API}", f"{API} {SHOP}", f"{API}@{SHOP}", f"{SHOP}:80@{API}", f"{API}/{SHOP}", f"{API}:x", f"{API}#{SHOP}",
        f"{API}?{SHOP}", f"{API}..", f"*.{API}", "[::1", "", "\xe4pi.example.com", f"{API}\xa0", f"{API}\t{SHOP}",
    ],
)  # fmt: skip
def test_what_is_no_host_lets_nobody_through(gateway: Gateway, tokens: dict[str, str], host: str) -> None:
    """Some gateways refuse it themselves; where one hands it on cut to a host, it asks about the host that it passes on."""
    for mine, line in tokens.items():
        assert passed(gateway.say("/orders/7", line, host=host)) in (None, mine)
    assert passed(gateway.say("/health", host=host)) in (None, API)


@pytest.mark.parametrize("times", [1, 2])
def test_a_host_that_a_client_makes_up_chooses_nothing(gateway: Gateway, tokens: dict[str, str], times: int) -> None:
    for host, other in ((API, SHOP), (SHOP, API)):
        names = (
            "X-Forwarded-Host",
            "X-Original-Host",
            "X-Host",
            "X.Forwarded.Host",
            "X_Forwarded_Host",
            "X_Original_Host",
        )
        lies = [f"{name}: {other}" for name in names] + [f"Forwarded: host={other}", f"X-Forwarded-Server: {other}"]
        assert status(gateway.say("/orders/7", tokens[other], *lies * times, host=host)) == 401
        assert passed(gateway.say("/orders/7", tokens[host], *lies * times, host=host)) == host
        for name in names[:2]:
            taken = f"Connection: close, {name}, Host"
            assert status(gateway.say("/orders/7", tokens[other], taken, f"{name}: {other}", host=host)) in (400, 401)


def test_two_hosts_let_nobody_through(gateway: Gateway, tokens: dict[str, str]) -> None:
    for host, other in ((API, SHOP), (SHOP, API)):
        for line in tokens.values():
            assert status(gateway.say("/orders/7", line, f"Host: {other}", host=host)) == 400


def test_a_host_in_the_target_is_judged_and_passed_on_as_one(gateway: Gateway, tokens: dict[str, str]) -> None:
    """Whichever of the two a gateway takes: it is the same for bearerd and for the upstream."""
    for host, other in ((API, SHOP), (SHOP, API)):
        for mine, line in tokens.items():
            assert passed(gateway.say(f"http://{host}/orders/7", line, host=other)) == (mine if mine == host else None)
        assert passed(gateway.say(f"http://{host}/health", host=other)) in (None, API)
