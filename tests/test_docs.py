"""The documents are true: tables are made from the code, examples are valid, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bearerd.config import load, model
from bearerd.config.units import is_duration, spelled

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_tables_are_those_of_the_code() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    ("head", "table"),
    [
        ("[server]", model.Server),
        ("[store]", model.Store),
        ("[trust]", model.Trust),
        ("[[issuer]]", model.Issuer),
        ("[[caller]]", model.Caller),
        ("[resource.NAME]", model.Resource),
        ("[[resource.NAME.rule]]", model.Rule),
    ],
)
def test_the_page_on_the_configuration_has_each_key_with_its_default(head: str, table: type[model.Table]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    section = page.partition(f"\n## `{head}`\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    fields = {key: field for key, field in table.model_fields.items() if (table, key) != (model.Resource, "rule")}
    assert list(rows) == list(fields)
    for key, field in fields.items():
        shown, default = rows[key], field.get_default(call_default_factory=True)
        if field.is_required():
            assert shown == "required", key
        elif default is None:
            assert shown == "none", key
        elif shown.startswith("`"):
            said = tomllib.loads(f"x = {shown.strip('`')}")["x"]
            wanted = spelled(default) if is_duration(key, default) else default
            assert said == (list(wanted) if isinstance(wanted, tuple) else wanted), key
        else:
            assert key in ("name", "identity"), f"{key}: {shown}"  # told in words


@pytest.mark.parametrize("text", [text for language, text in SNIPPETS if language == "toml"])
def test_the_readme_s_configuration_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text(text)
    assert load.load(file, {}).resource["orders"].gateways == ("nginx",)


@pytest.mark.parametrize("text", [text for language, text in SNIPPETS if language == "python"])
def test_the_readme_s_python_compiles(text: str) -> None:
    import ast

    compile(text, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("example", ["nginx", "envoy", "compose"])
def test_the_examples_configurations_are_valid(example: str, tmp_path: Path) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text((ROOT / "examples" / example / "bearerd.toml").read_text())
    assert "api" in load.load(file, {}).resource
