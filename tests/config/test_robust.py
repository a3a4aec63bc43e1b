"""No text makes the loader fail in any other way than by naming problems."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bearerd.config.effective import as_toml, effective, needs_restart, open_paths, warnings
from bearerd.config.load import check
from bearerd.config.model import Caller, Config, Issuer, Resource, Rule, Server, Store, Trust
from bearerd.errors import ConfigError
from bearerd.limits import Limits

HERE = Path(__file__).parent.resolve()
TEXTS = st.sampled_from(
    [
        "", "a", "30s", "0s", "127.0.0.1:9180", "[::1]:1", "[", "https://a.example", "https://a.example/", "https://[",
        "http://a.example:x", "redis://a", "unix://", "files/keys.json", "files/secret-32", "files/bad-headers", "files",
        "RS256", "HS256", "none", "nginx", "grpc", "shadow", "strict", "development", "fsync", "10.0.0.0/8", "unix",
        "/**", "/a/*", "GET", "api", "X-Auth-Subject", "json:", "\x00", "é", "::", "introspect", "optional",
    ]
)  # fmt: skip
SCALARS = (
    TEXTS
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.integers(-1, 70_000)
    | st.booleans()
    | st.floats()
    | st.dates()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=4
)


def table(model: Any, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = dict.fromkeys(model.model_fields, VALUES) | known | {"unknown": VALUES}
    chosen = st.lists(st.sampled_from([*fields]), max_size=5, unique=True)
    made = chosen.flatmap(lambda names: st.fixed_dictionaries({name: fields[name] for name in names}))
    return made | made | made | VALUES


RULE = table(Rule)
ISSUERS = st.lists(table(Issuer, issuer=TEXTS, issuers=TEXTS), max_size=3)
RESOURCES = st.dictionaries(
    TEXTS,
    table(Resource, identifier=TEXTS, audience=TEXTS | st.lists(TEXTS), rule=st.lists(RULE, max_size=3)),
    max_size=3,
)
TREES = st.fixed_dictionaries(
    {},
    optional={
        "server": table(Server),
        "store": table(Store),
        "trust": table(Trust),
        "limits": table(Limits),
        "issuer": ISSUERS | VALUES,
        "caller": st.lists(table(Caller), max_size=2) | VALUES,
        "resource": RESOURCES | VALUES,
        "approvals": VALUES,
        "other": VALUES,
    },
)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(
        [
            "BEARERD_SERVER__LISTEN",
            "BEARERD_LIMITS__MAX_KEYS",
            "BEARERD_STORE__URL",
            "BEARERD_TRUST__PEERS",
            "BEARERD___",
            "X",
        ]
    ),
    st.text(max_size=8) | TEXTS | st.sampled_from(['["\\ud800"]', "[1]", "\udcff"]),
    max_size=2,
)


def checked(tree: dict[str, Any], environ: dict[str, str]) -> Config | None:
    try:
        return check(tree, environ, HERE, "test")
    except ConfigError as error:
        assert error.problems
        assert all(key and wrong and remedy for key, wrong, remedy in error.problems)
        assert "something else" not in str(error)
        return None


@settings(max_examples=300)
@given(TREES, ENVIRONMENTS)
def test_any_tree_is_a_configuration_or_a_list_of_problems(tree: dict[str, Any], environ: dict[str, str]) -> None:
    config = checked(tree, environ)
    if config is not None:
        again = check(tomllib.loads(as_toml(effective(config))), {}, HERE, "again")
        assert needs_restart(config, again) == []
        assert open_paths(again) == open_paths(config)
        assert warnings(again) == warnings(config)


GOOD_RULE = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/", "/a", "/**", "/é b"]),
        "methods": st.just(["GET"]),
        "scopes": st.just(["a"]),
        "claims": st.dictionaries(
            st.sampled_from(["a", "b c", "d.e"]), st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.just('x"\\')
        ),
        "enforce": st.just("shadow"),
    },
)
GOOD = st.fixed_dictionaries(
    {
        "issuer": st.just([{"issuer": "https://a.example"}]),
        "resource": st.dictionaries(
            st.sampled_from(["a", "b-c", "d_e"]),
            st.fixed_dictionaries(
                {"audience": st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)},
                optional={
                    "rule": st.lists(GOOD_RULE, max_size=3),
                    "enforce": st.just("shadow"),
                    "identity": st.just({}),
                },
            ),
        ),
    },
    optional={"store": st.fixed_dictionaries({"max_staleness": st.sampled_from(["1s", "1500ms", "90m"])})},
)


@given(GOOD)
def test_every_good_configuration_prints_as_itself(tree: dict[str, Any]) -> None:
    config = check(tree, {}, HERE, "test") if tree.get("store") != {"max_staleness": "90m"} else None
    if config is not None:
        assert check(tomllib.loads(as_toml(effective(config))), {}, HERE, "again") == config
