"""What a rule asks of a call, in a configuration: as the page shows it, as a worker gets it, and without the extra."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bearerd.config import budget, effective
from bearerd.config.load import load
from bearerd.config.model import Config
from bearerd.errors import ConfigError
from bearerd.mcp import condition, extra, schema
from bearerd.policy.resource import Policy
from bearerd.serve import hiring

if TYPE_CHECKING:
    from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "arguments.md"
ISSUER = '[[issuer]]\nissuer = "https://auth.example.com"\n'
SCHEMA = '{"type": "object", "properties": {"amount": {"type": "number", "enum": [1, null]}}}'


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """The page's example."""
    (tmp_path / "transfer.schema.json").write_text(SCHEMA)
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "bearerd.toml"
    file.write_text(ISSUER + text)
    return file


def test_the_page_s_example_is_valid_and_means_what_it_says(shown: Path) -> None:
    config = load(shown, {})
    (rule,) = Policy(config, 1).resources["bank"].rules
    assert rule.schema is not None
    assert rule.when is not None
    assert rule.rate is not None
    assert rule.schema.fault({"amount": 1}) is None
    assert rule.schema.fault({"amount": 2}) is not None
    assert (rule.when.reads_args, rule.when.reads_request, rule.sensitive.blocks) == (True, False, True)
    assert (rule.rate.rate, rule.rate.burst) == (0.5, 30.0)


def test_what_is_in_effect_reads_back_and_names_the_file_of_a_schema(shown: Path) -> None:
    config = load(shown, {})
    text = effective.as_toml(effective.effective(config))
    told = tomllib.loads(text)["resource"]["bank"]["rule"][0]
    assert told["schema_file"] == str(shown.parent / "transfer.schema.json")
    assert "schema" not in told
    again = shown.parent / "again.toml"
    again.write_text(text)
    assert load(again, {}) == config


def test_a_worker_gets_the_schema_as_it_was_read_and_not_the_file(shown: Path) -> None:
    config = load(shown, {})
    (shown.parent / "transfer.schema.json").unlink()
    assert Config.model_validate(hiring.dump(config)) == config


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("resource.x.rule[0].when", 'when = "true"'),
        ("resource.x.rule[0].schema", "schema = { type = 'object' }"),
        ("resource.x.rule[0].sensitive", 'sensitive = { flag = ["jwt"] }'),
    ],
)
def test_without_the_extra_the_error_names_it(
    key: str, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> Any:
        raise extra.Missing(name)

    monkeypatch.setattr(extra, "need", absent)
    for memory in (condition.compiled, condition._environment, schema._of):
        memory.cache_clear()
    file = tmp_path / "bearerd.toml"
    table = '[resource.x]\nidentifier = "https://x.example"\nkind = "mcp"\n[[resource.x.rule]]\ntool = "a"\n'
    file.write_text(ISSUER + table + lines)
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert [(place, remedy) for place, _, remedy in refused.value.problems] == [(key, "pip install 'bearerd[mcp]'")]


@pytest.mark.parametrize("text", ["", "30", "30/", "/m", "0/m", "-1/m", "30/w", "1.5/s", "30 / m", "٣/m", "10000000/s"])
def test_what_is_no_rate_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        budget.limit(text)


@pytest.mark.parametrize(("text", "rate"), [("1/s", 1.0), ("30/m", 0.5), ("36/h", 0.01), ("864/d", 0.01)])
def test_rates_are_so_many_in_a_unit_of_time(text: str, rate: float) -> None:
    assert budget.limit(text).rate == rate
