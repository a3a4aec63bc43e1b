"""``[approvals]``: what is good is taken, what is worth a second look is told, and what needs a restart is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bearerd.config.check_approvals import webhook_secret
from bearerd.config.effective import as_toml, effective, needs_restart, warnings
from bearerd.config.load import load
from bearerd.config.model import Config

GOOD = """
[store]
url = "redis://127.0.0.1:6379"
fleet = "one"

[approvals]
ttl = "5m"
listen = "{listen}"
url = "https://approvals.example.com"
issuer = "https://login.example.com"
client_id = "bearerd"
approvers = {{ roles = ["approver"], claims = {{ org = "acme", mfa = true }} }}
same_person_claims = ["email"]
cli = true
{more}
[[issuer]]
issuer = "https://auth.example.com"

[resource.files]
identifier = "https://files.example.com"
"""


def loaded(tmp_path: Path, listen: str = "127.0.0.1:9184", more: str = "") -> Config:
    file = tmp_path / "bearerd.toml"
    file.write_text(GOOD.format(listen=listen, more=more))
    return load(file, {})


def test_what_is_printed_is_read_back(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.approvals is not None
    assert (config.approvals.ttl, config.approvals.login_max_age) == (300.0, 300.0)
    file = tmp_path / "again.toml"
    file.write_text(as_toml(effective(config)))
    assert load(file, {}).approvals == config.approvals


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["approvals.cli", "approvals"]),
        ({"listen": "0.0.0.0:9184"}, ["approvals.cli", "approvals.listen", "approvals"]),
    ],
)
def test_it_warns_of_what_lets_more_people_in(tmp_path: Path, changes: dict[str, str], expected: list[str]) -> None:
    found = [line.partition(":")[0] for line in warnings(loaded(tmp_path, **changes))]
    assert [key for key in found if key.startswith("approvals")] == expected


def test_only_where_it_listens_waits_for_a_restart(tmp_path: Path) -> None:
    before = loaded(tmp_path)
    assert needs_restart(before, loaded(tmp_path, more='attempt_header = "X-Other"\n')) == []
    assert needs_restart(before, loaded(tmp_path, listen="127.0.0.1:9185")) == ["approvals.listen"]
    assert needs_restart(before, before.model_copy(update={"approvals": None})) == ["approvals.listen"]


@pytest.mark.parametrize("text", [b"", b"k" * 40, b"whsec_", b"whsec_!!!!", b"whsec_" + b"QUFB" * 7])
def test_a_secret_is_written_as_the_standard_has_it(text: Any) -> None:
    with pytest.raises(ValueError, match=r"whsec_|bytes"):
        webhook_secret(text)


def test_and_then_it_is_a_key() -> None:
    assert webhook_secret(b"whsec_" + b"QUFB" * 8) == b"A" * 24


@pytest.mark.parametrize(("confirm", "told"), [("", True), ("confirm = false\n", False)])
def test_destructive_tools_that_nobody_could_confirm_are_named(tmp_path: Path, confirm: str, told: bool) -> None:
    (tmp_path / "tools.json").write_text('{"tools": [{"name": "delete"}]}')
    file = tmp_path / "bearerd.toml"
    file.write_text(
        '[[issuer]]\nissuer = "https://auth.example.com"\n[resource.files]\nidentifier = "https://files.example.com"\n'
        f'kind = "mcp"\ntools_file = "tools.json"\n[[resource.files.rule]]\ntool = "*"\n{confirm}'
    )
    assert any(line.startswith("resource.files.tools_file: it lists") for line in warnings(load(file, {}))) is told
