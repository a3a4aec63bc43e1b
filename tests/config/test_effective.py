"""What a configuration amounts to."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.examples import CONFIGURATIONS, complete

from bearerd.config.effective import as_toml, effective, needs_restart, open_paths, warnings
from bearerd.config.load import check
from bearerd.config.model import Config
from bearerd.errors import ConfigError

HERE = Path(__file__).parent.resolve()

FULL = """
[server]
listen = [
    "127.0.0.1:9180",
    { path = "/run/bearerd.sock", mode = "0666", group = "root" },
    { address = "127.0.0.1:9183", gateway = "nginx" },
]
profile = "development"
workers = 2
reveal_reason = true
drain_timeout = "1500ms"

[store]
url = "redis+sentinel://bearerd:hunter2@store.example:6379/main?sentinel_password=hunter2"
fleet = "f"
max_staleness = "90s"

[trust]
peers = ["0.0.0.0/0", "unix"]

[[issuer]]
issuer = "http://a.example.com"
insecure_issuer = true
proxy = "http://me:hunter2@proxy:3128"
leeway = "10m"

[[issuer]]
issuer = "https://b.example.com"
algorithms = ["ES256"]
jwks = { keys = [KEY, { kty = "oct", kid = "s", k = "hunter2" }] }

[[issuer]]
issuer = "https://c.example.com"
algorithms = ["HS256"]
secret_file = "files/secret-32"

[[caller]]
name = "api"
secret_file = "files/secret"
resources = ["api"]
may = ["introspect", "revoke"]

[resource.api]
identifier = "https://api.example.com"
audience = "api"
gateway = "nginx"
hosts = ["api.example.com", "[2001:db8::1]"]
paths = ["/v1/**"]
max_lifetime = "90m"
client_headers = ["X-Auth-Hint"]

[[resource.api.rule]]
path = "/health"
auth = "none"

[[resource.api.rule]]
preflight = true
path = "/**"

[[resource.api.rule]]
path = "/shadow"
auth = "none"
enforce = "shadow"

[[resource.api.rule]]
methods = ["GET", "POST"]
auth = "optional"

[[resource.api.rule]]
path = "/q\\"\\u007f"
scopes = ["a"]
claims = { "x.y" = "z", n = 1, b = true, f = 1.5 }

[resource.old]
audience = ["old", "older"]
enforce = "shadow"
identity = { "X-Iss" = "iss", X-Team = "csv:team" }
"""


def parsed(text: str) -> Config:
    key = json.loads((HERE / "files" / "keys.json").read_text())["keys"][0]
    inline = "{ " + ", ".join(f'{name} = "{value}"' for name, value in key.items()) + " }"
    return check(tomllib.loads(text.replace("KEY", inline)), {}, HERE, "test")


@pytest.fixture(scope="module")
def full() -> Config:
    return parsed(FULL.replace("\\u007f", ""))


def test_secrets_are_masked_wherever_they_stand(full: Config) -> None:
    text = as_toml(effective(full))
    assert "hunter2" not in text
    assert 'url = "redis+sentinel://bearerd:***@store.example:6379/main?sentinel_password=***"' in text
    assert 'proxy = "http://me:***@proxy:3128"' in text
    assert 'k = "***"' in text
    assert "secret-32" in text, "a file's name is no secret"
    assert "hunter2" not in json.dumps(effective(full))


def test_what_is_printed_loads_as_the_same_configuration(full: Config) -> None:
    again = check(tomllib.loads(as_toml(effective(full))), {}, HERE, "again")
    masked = {"store": full.store, "issuer": full.issuer}
    assert again.model_copy(update=masked) == full
    assert again.issuer[0].leeway == 600


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_the_examples_survive_printing(path: Path, tmp_path: Path) -> None:
    path = complete(path, tmp_path)
    config = check(tomllib.loads(path.read_text()), {}, path.parent, str(path))
    assert check(tomllib.loads(as_toml(effective(config))), {}, path.parent, "again") == config


def test_an_url_from_a_file_is_printed_as_the_file() -> None:
    config = parsed('[store]\nurl_file = "files/store-url"\nfleet = "f"')
    text = as_toml(effective(config))
    assert "url_file" in text
    assert "rediss" not in text
    assert parsed(text) == config


def test_controls_in_a_string_are_written_as_toml_wants_them() -> None:
    assert as_toml({"a": '\x7f\x01"é'}) == 'a = "\\u007f\\u0001\\"é"\n'
    assert as_toml({"a": {}}) == "[a]\n"
    assert as_toml({"claims": {}}) == "claims = {}\n"


def test_every_way_in_without_a_token_is_listed(full: Config) -> None:
    assert [str(opening) for opening in open_paths(full)] == [
        "resource.api.rule[0]: any method but CONNECT /health: no token is looked at",
        "resource.api.rule[1]: OPTIONS /**: CORS preflight",
        "resource.api.rule[3]: GET POST any path: a request without Authorization is anonymous",
        "resource.old: any method any path: the resource is in shadow: nothing is refused to a gateway",
    ]


def test_a_configuration_without_open_rules_lists_none() -> None:
    assert open_paths(parsed('[resource.api]\naudience = "x"\n[[resource.api.rule]]\npath = "/**"')) == []


def test_only_keys_that_shape_the_process_need_a_restart(full: Config) -> None:
    def changed(text: str, other: str) -> list[str]:
        return needs_restart(full, parsed(FULL.replace("\\u007f", "").replace(text, other)))

    assert changed("workers = 2", "workers = 3\nadmin = '127.0.0.1:1'") == ["server.admin", "server.workers"]
    assert changed('max_staleness = "90s"', 'max_staleness = "91s"') == ["store.max_staleness"]
    assert changed("reveal_reason = true", "") == []
    assert changed('path = "/health"', 'path = "/healthy"') == []
    assert changed('leeway = "10m"', "") == []
    assert changed("[trust]", "[limits]\nmax_keys = 7\n[trust]") == ["limits.max_keys"]


def test_what_deserves_a_second_look_is_told_without_secrets(full: Config) -> None:
    told = [line for line in warnings(full) if "secret_file" not in line]  # the checkout's umask decides those
    assert [line.partition(": ")[0] for line in told] == [
        "server.profile",
        "server.reveal_reason",
        "server.listen[1].mode",
        "trust.peers[0]",
        "store.url",
        "issuer[0].insecure_issuer",
        "issuer[0].leeway",
        "resource.old.enforce",
    ]
    assert "hunter2" not in " ".join(told)


def test_a_careful_configuration_is_not_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("k" * 32)
    secret.chmod(0o600)
    text = f"""
        [store]
        url = "rediss://store.example"
        fleet = "f"
        fleet_key_file = "{secret}"
        [[issuer]]
        issuer = "https://a.example.com"
        [resource.api]
        audience = "x"
    """
    assert warnings(parsed(text)) == []


@pytest.mark.parametrize(("mode", "keys"), [(0o644, []), (0o666, ["file"]), (0o602, ["file"])])
def test_a_file_that_every_local_user_may_write_is_warned_of(tmp_path: Path, mode: int, keys: list[str]) -> None:
    written, linked = tmp_path / "bearerd.toml", tmp_path / "linked.toml"
    written.touch()
    written.chmod(mode)
    linked.symlink_to(written)
    config = parsed("")
    for path in (written, linked):
        more = [line for line in warnings(config, path) if line not in warnings(config)]
        assert [line.partition(": ")[0] for line in more] == keys


@pytest.mark.parametrize(("rule", "said"), [("", False), ('[[resource.api.rule]]\npath = "/a"', True)])
def test_a_gateway_that_may_keep_answers_is_warned_of_with_what_its_key_must_hold(rule: str, said: bool) -> None:
    resource = '[resource.api]\naudience = "x"\ngateway = "nginx"\ncacheable_for = "5s"\n'
    told = [line for line in warnings(parsed(resource + rule)) if line.startswith("resource.api.cacheable_for: ")]
    assert len(told) == 1
    assert "5s" in told[0]
    assert all(word in told[0] for word in ("Authorization", "name", "method", "URI", "host"))
    assert ("the rules depend on them" in told[0]) == said


def test_a_data_dir_that_nothing_seals_is_warned_of_where_the_store_is_not_in_it(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("k" * 32)
    secret.chmod(0o600)

    def told(store: str) -> list[str]:
        text = f'[store]\n{store}\n[[issuer]]\nissuer = "https://a.example.com"\n[resource.api]\naudience = "x"'
        return [line.partition(": ")[0] for line in warnings(parsed(text))]

    remote = 'url = "rediss://store.example"\nfleet = "f"\n'
    assert told(remote) == ["store.fleet_key_file", "store.snapshot_key_file"]
    assert told(f'{remote}snapshot_key_file = "{secret}"') == ["store.fleet_key_file"]
    assert told(f'{remote}fleet_key_file = "{secret}"') == []
    assert told("") == []


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, False)])
def test_a_secret_that_everybody_may_read_is_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    secret.chmod(mode)
    text = f"""
        [[issuer]]
        issuer = "https://c.example"
        algorithms = ["HS256"]
        secret_file = "{secret}"
        [[caller]]
        name = "c"
        secret_file = "{secret}"
        resources = ["api"]
        may = ["revoke"]
        [resource.api]
        audience = "x"
    """
    keys = [line.partition(": ")[0] for line in warnings(parsed(text))]
    assert keys == (["issuer[0].secret_file", "caller[0].secret_file"] if warned else [])


@pytest.mark.parametrize(
    ("gateway", "names", "warned"),
    [
        ('"envoy"', ["X-Auth-Subject", "X-User", "Principal"], "X-User, Principal"),
        ('["nginx", "envoy"]', ["x-user"], "x-user"),
        ('"envoy"', ["X-Auth-Subject", "x-auth-team"], None),
        ('"envoy"', ["X-Authority"], "X-Authority"),
        ('"nginx"', ["X-User"], None),
    ],
)
def test_identity_that_envoy_would_hide_from_bearerd_is_warned_of(
    gateway: str, names: list[str], warned: str | None
) -> None:
    identity = ", ".join(
        f'"{name}" = "{claim}"' for name, claim in zip(names, ("sub", "client", "scopes"), strict=False)
    )
    text = f"""
        [[issuer]]
        issuer = "https://a.example.com"
        [resource.api]
        audience = "x"
        gateway = {gateway}
        identity = {{ {identity} }}
    """
    told = warnings(parsed(text))
    assert [line.partition(": add")[0] for line in told] == ([f"resource.api.identity: {warned}"] if warned else [])
    assert all("allowed_headers" in line for line in told)


def test_an_empty_configuration_is_warned_of() -> None:
    assert [line.partition(": ")[0] for line in warnings(parsed(""))] == ["issuer", "resource"]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("redis://127.0.0.1", False),
        ("redis://[::1]", False),
        ("redis://localhost", False),
        ("redis://store", True),
        ("redis+cluster://127.0.0.1,store:7001", True),
        ("rediss+cluster://127.0.0.1,store:7001", False),
        ("unix:///run/store.sock", False),
    ],
)
def test_an_unencrypted_store_is_warned_of_unless_it_is_here(url: str, warned: bool) -> None:
    told = warnings(parsed(f'[store]\nurl = "{url}"\nfleet = "f"'))
    assert any(line.startswith("store.url:") for line in told) is warned
    assert any(line.startswith("store.fleet_key_file:") for line in told)


def test_a_file_that_has_gone_since_is_no_crash(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    config = parsed(f'[[issuer]]\nissuer = "https://c.example"\nalgorithms = ["HS256"]\nsecret_file = "{secret}"')
    secret.unlink()
    assert not any("secret_file" in line for line in warnings(config))


def test_a_path_pattern_with_a_control_never_gets_this_far() -> None:
    with pytest.raises(ConfigError):
        parsed(FULL)


def test_the_effective_tree_is_json(full: Config) -> None:
    tree: dict[str, Any] = json.loads(json.dumps(effective(full)))
    assert tree["store"]["max_staleness"] == "90s"
    assert tree["server"]["drain_timeout"] == "1500ms"
