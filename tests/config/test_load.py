"""From file and environment to a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.examples import CONFIGURATIONS, complete

from bearerd.config.load import MAX_FILE_BYTES, data_dir, load
from bearerd.config.model import Config, UnixListener
from bearerd.errors import ConfigError

FILES = Path(__file__).parent.resolve() / "files"
SMALLEST = '[[issuer]]\nissuer = "https://auth.example.com"\n[resource.api]\nidentifier = "https://api.example.com"\n'


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Load a configuration from text."""

    def write(text: str = "", environ: dict[str, str] | None = None, *, smallest: bool = True) -> Config:
        path = tmp_path / "bearerd.toml"
        path.write_text(text + ("\n" + SMALLEST if smallest else ""))
        return load(path, environ or {})

    return write


def problems(written: Any, text: str, environ: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as refused:
        written(text, environ)
    return refused.value.problems


# ---- what is good ----


def test_the_smallest_configuration_has_safe_defaults(written: Any) -> None:
    config = written()
    assert config.server.profile == "production"
    assert config.server.listen == ("127.0.0.1:9180",)
    assert config.store.url is None
    assert config.issuer[0].name == "auth-example-com"
    assert config.resource["api"].staleness == "strict"
    assert config.resource["api"].audiences == ("https://api.example.com",)


def test_an_empty_file_is_a_configuration_that_allows_nothing(written: Any) -> None:
    config = written(smallest=False)
    assert (config.issuer, config.resource) == ((), {})


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_the_examples_load(path: Path, tmp_path: Path) -> None:
    assert load(complete(path, tmp_path), {}).resource


def test_relative_paths_start_at_the_files_folder(written: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 32)
    config = written(
        """
        [server]
        listen = ["127.0.0.1:9180", { path = "run/bearerd.sock", group = "root" }]
        data_dir = "state"
        [[issuer]]
        issuer = "https://hs.example.com"
        algorithms = ["HS256"]
        secret_file = "secret"
        [[caller]]
        name = "c"
        secret_file = "/dev/../etc/passwd"
        resources = ["api"]
        may = ["revoke"]
        """
    )
    assert config.server.data_dir == tmp_path / "state"
    assert config.server.listen[1] == UnixListener(path=str(tmp_path / "run/bearerd.sock"), group="root")
    assert config.issuer[0].secret_file == tmp_path / "secret"
    assert config.caller[0].secret_file == Path("/dev/../etc/passwd")


def test_names_of_issuers_are_made_from_hosts_and_are_unique(written: Any) -> None:
    issuers = ["https://kc.example.com/realms/a", "https://kc.example.com/realms/b", "https://kc.example.com/realms/b/"]
    text = "".join(f'[[issuer]]\nissuer = "{issuer}"\n' for issuer in issuers)
    taken = '[[issuer]]\nissuer = "https://x.example.com"\nname = "auth-example-com"\n'
    assert [issuer.name for issuer in written(text + taken).issuer] == [
        "kc-example-com",
        "kc-example-com-realms-b",
        "kc-example-com-realms-b-2",
        "auth-example-com",
        "auth-example-com-2",
    ]


def test_a_store_url_can_come_from_a_file(written: Any) -> None:
    config = written(f'[store]\nurl_file = "{FILES}/store-url"\nfleet = "f"')
    assert config.store.url == "rediss://bearerd:hunter2@store.example:6380/1"


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nprofile = "development"\nlisten = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\nprobes = "0.0.0.0:9182"',
        '[server]\nlisten = ["0.0.0.0:9180"]\n[store]\nembedded = true',
        '[server]\nlisten = ["[::]:9180"]\nadmin = "[::1]:9181"\n[store]\nurl = "unix:///run/valkey.sock"\nfleet = "f"',
        '[server]\nprofile = "development"\n[store]\nurl = "redis://127.0.0.1"',
        '[store]\ndurability = "replicas=2"\nurl = "rediss://u:p@[::1]:6379/0"\nfleet = "f"',
        '[trust]\npeers = ["10.1.2.3", "fe80::/10", "unix"]',
        '[trust]\npeers = []',
        '[[issuer]]\nissuer = "https://hs.example.com"\nalgorithms = ["HS256"]\nsecret_file = "FILES/secret-32"',
        '[[issuer]]\nissuer = "https://k.example.com"\njwks_file = "FILES/keys.json"',
        '[[issuer]]\nissuer = "https://q.example.com/?a"\njwks_uri = "https://q.example.com/keys"',
        '[[issuer]]\nissuer = "https://p.example.com"\nproxy = "http://u:p@proxy:3128"\nconnect_to = "kc:8443"',
        '[[issuer]]\nissuer = "https://p.example.com"\nfetch_header_file = "FILES/headers"\nleeway = "0s"',
        '[resource.web]\naudience = "web"\nissuers = ["auth-example-com"]',
        '[resource.web]\nidentifier = "api://4f7c"\nissuers = ["https://auth.example.com"]\nidentity = { X-User = "sub" }',
        '[resource.web]\nidentifier = "https://api.example.com"\nclient_headers = ["X-Auth-Hint", "x_other"]',
        '[resource.web]\naudience = ["https://a.example.com/", "https://a.example.com"]\ngateway = ["nginx", "envoy"]',
        '[resource.web]\naudience = "w"\n[[resource.web.rule]]\npreflight = true\npath = "/**"',
        '[resource.web]\naudience = "w"\n[[resource.web.rule]]\nmethods = ["PROPFIND", "m-search"]\nclaims = { b = true, c = 1.5 }',
        '[resource.web]\naudience = "w"\n[resource.web.identity]\n"X-Team" = "csv:team"\n"X-Iss" = "json:iss"',
    ],
)  # fmt: skip
def test_what_is_allowed_loads(written: Any, text: str) -> None:
    assert written(text.replace("FILES", str(FILES))).issuer


def test_a_json_iss_header_says_who_spoke(written: Any) -> None:
    text = '[[issuer]]\nissuer = "https://b.example.com"\n[resource.web]\naudience = "w"\nidentity = { X-Iss = "json:iss" }'
    assert len(written(text).issuer) == 2


# ---- what is not ----


def test_a_file_that_is_not_there_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml", {})


def test_text_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bearerd.toml"
    path.write_bytes(b"[server]\nadmin = '\xff'\n")
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load(path, {})


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bearerd.toml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="longer than"):
        load(path, {})


def test_endless_nesting_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "bearerd.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ConfigError, match="not TOML"):
        load(path, {})


@pytest.mark.parametrize("mode", [0o602, 0o666])
def test_a_secret_that_everybody_may_write_is_refused(written: Any, tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 32)
    secret.chmod(mode)
    text = '[[caller]]\nname = "c"\nsecret_file = "secret"\nresources = ["api"]\nmay = ["revoke"]'
    ((key, wrong, remedy),) = problems(written, text)
    assert (key, wrong) == ("caller[0].secret_file", f"every local user may write {secret}")
    assert remedy == f"chmod o-w {secret}"


@pytest.mark.parametrize("field", ["jwks_file", "fetch_header_file", "secret_file", "ca_file"])
def test_a_file_beyond_all_measure_is_refused(written: Any, tmp_path: Path, field: str) -> None:
    (tmp_path / "big").write_bytes(b"a" * (1 << 19))
    algorithms = 'algorithms = ["HS256"]' if field == "secret_file" else ""
    (problem, *_) = problems(written, f'[[issuer]]\nissuer = "https://b.example.com"\n{field} = "big"\n{algorithms}')
    assert problem[0] == f"issuer[0].{field}"


def test_a_file_that_this_user_may_not_read_is_told(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s" * 32)
    monkeypatch.setattr("os.access", lambda *_: False)  # tests may run as root, who may read everything
    text = '[[issuer]]\nissuer = "https://b.example.com"\nalgorithms = ["HS256"]\nsecret_file = "secret"'
    ((key, wrong, _),) = problems(written, text)
    assert (key, "cannot be read" in wrong) == ("issuer[0].secret_file", True)


# ---- the environment ----


def test_overrides_reach_server_store_trust_and_limits(written: Any) -> None:
    config = written(
        "[server]\nworkers = 1",
        {
            "BEARERD_SERVER__WORKERS": "3",
            "BEARERD_SERVER__REVEAL_REASON": "true",
            "BEARERD_SERVER__LOG_ALLOWS": "0.25",
            "BEARERD_SERVER__LISTEN": '["127.0.0.1:1", {"path": "/run/b.sock"}]',
            "BEARERD_STORE__URL_FILE": f"{FILES}/store-url",
            "BEARERD_STORE__FLEET": "f",
            "BEARERD_STORE__MAX_STALENESS": "10s",
            "BEARERD_TRUST__PEERS": "10.0.0.0/8, unix",
            "BEARERD_LIMITS__MAX_KEYS": "7",
        },
    )
    assert (config.server.workers, config.server.reveal_reason, config.server.log_allows) == (3, True, 0.25)
    assert config.server.listen == ("127.0.0.1:1", UnixListener(path="/run/b.sock"))
    assert (config.store.fleet, config.store.max_staleness) == ("f", 10.0)
    assert config.store.url is not None
    assert config.trust.peers == ("10.0.0.0/8", "unix")
    assert config.limits.max_keys == 7


def test_an_empty_list_is_an_empty_list(written: Any) -> None:
    assert written("", {"BEARERD_TRUST__PEERS": ""}).trust.peers == ()


def test_names_without_two_underscores_are_not_ours(written: Any) -> None:
    environ = {"BEARERD_PORT": "tcp://10.0.0.1:80", "BEARERD_SERVICE_HOST": "x", "BEARERD_TEST": "1", "PATH__X": "y"}
    assert written("", environ) == written()


@pytest.mark.parametrize(
    ("variable", "value", "key", "remedy"),
    [
        ("BEARERD_SERVER__WORKRES", "1", "server.workres (from BEARERD_SERVER__WORKRES)", 'did you mean "workers"?'),
        ("BEARERD_SERVER__WORKERS", "two", "server.workers (from BEARERD_SERVER__WORKERS)", "write digits, like 4"),
        (
            "BEARERD_SERVER__LOG_ALLOWS",
            "true",
            "server.log_allows (from BEARERD_SERVER__LOG_ALLOWS)",
            "write it like 0.5",
        ),
        ("BEARERD_SERVER__LOG_ALLOWS", "1.5", "server.log_allows (from BEARERD_SERVER__LOG_ALLOWS)", None),
        ("BEARERD_SERVER__", "1", 'server."" (from BEARERD_SERVER__)', None),
        ("BEARERD_SERVER__A.B", "1", 'server."a.b" (from BEARERD_SERVER__A.B)', None),
        ("BEARERD_SERVER__LISTEN", "[oops", "server.listen (from BEARERD_SERVER__LISTEN)", None),
        ("BEARERD_SERVER__REVEAL_REASON", "yes", "server.reveal_reason (from BEARERD_SERVER__REVEAL_REASON)", None),
        ("BEARERD_SERVER__DATA_DIR", "", "server.data_dir (from BEARERD_SERVER__DATA_DIR)", None),
        ("BEARERD_SERVER__TLS", "x", "server.tls (from BEARERD_SERVER__TLS)", None),
        ("BEARERD_STORE__MAX_STALENESS", "30", "store.max_staleness (from BEARERD_STORE__MAX_STALENESS)", None),
        ("BEARERD_STORE__URL", "", "store.url (from BEARERD_STORE__URL)", None),
        (
            "BEARERD_TRUST__PEERS",
            "10.0.0.1/8",
            "trust.peers[0] (from BEARERD_TRUST__PEERS)",
            "did you mean 10.0.0.0/8?",
        ),
        ("BEARERD_TRUST__PEERS", "[oops", "trust.peers (from BEARERD_TRUST__PEERS)", None),
        ("BEARERD_TRUST__PEERS", '["\\ud800"]', "trust.peers (from BEARERD_TRUST__PEERS)", None),
        ("BEARERD_STORE__URL", "\udcff", "BEARERD_STORE__URL", "set it again, in UTF-8"),
        ("BEARERD_STORE__\udcff", "x", "BEARERD_STORE__\\udcff", "set it again, in UTF-8"),
        ("BEARERD_SREVER__WORKERS", "1", "BEARERD_SREVER__WORKERS", "did you mean BEARERD_SERVER__WORKERS?"),
        ("BEARERD_ISSUER__NAME", "x", "BEARERD_ISSUER__NAME", None),
        ("BEARERD_server__WORKERS", "1", "BEARERD_server__WORKERS", None),
        ("BEARERD_SERVER__workers", "1", "BEARERD_SERVER__workers", "write BEARERD_SERVER__WORKERS"),
    ],
)
def test_a_bad_variable_is_named(written: Any, variable: str, value: str, key: str, remedy: str | None) -> None:
    found = problems(written, "", {variable: value})
    assert found[0][0] == key
    assert remedy is None or found[0][2] == remedy


def test_problems_of_file_and_environment_come_together(written: Any) -> None:
    found = problems(written, "[limits]\nmax_keys = 0", {"BEARERD_SERVER__NOPE": "1", "BEARERD_X__Y": "1"})
    assert [key for key, _, _ in found] == [
        "BEARERD_X__Y",
        "server.nope (from BEARERD_SERVER__NOPE)",
        "limits.max_keys",
    ]


def test_a_variable_cannot_mend_a_section_that_is_no_table(written: Any) -> None:
    assert problems(written, "store = 5", {"BEARERD_STORE__FLEET": "f"})[0][:2] == ("store", "must be a table")


# ---- data_dir ----


def test_state_is_kept_where_the_profile_says_unless_told_otherwise(written: Any, tmp_path: Path) -> None:
    path = tmp_path / "bearerd.toml"
    assert data_dir(written(), path) == Path("/var/lib/bearerd")
    assert data_dir(written('[server]\nprofile = "development"'), path) == tmp_path / ".bearerd"
    assert data_dir(written('[server]\ndata_dir = "here"'), path) == tmp_path / "here"
