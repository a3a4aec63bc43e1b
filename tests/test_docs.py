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
from bearerd.metrics import SNAPSHOT_REASONS

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


def test_every_gateway_that_make_tricks_has_tried_has_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import tricks_tables

    counts = {"refused": 3, "stopped": 2, "harmless": 1, "reached": 4, "lost": 1}
    kept = {"nginx": {}, "envoy-grpc": {"climbs": counts}, "haproxy": {"climbs": counts, "sizes": counts}}
    monkeypatch.setattr(tricks_tables, "_record", lambda: {"kept": kept})
    head, rule, *rows, total = tricks_tables.results().splitlines()
    assert head.endswith("| nginx | envoy-grpc | haproxy |")
    assert rule.count("---") == head.count("|") - 1
    assert next(row for row in rows if "climbs" in row).endswith("| 0 / 0 / 0 / 0 | 3 / 2 / 1 / 5 | 3 / 2 / 1 / 5 |")
    assert total.endswith("| 0 / 0 / 0 / 0 | 3 / 2 / 1 / 5 | 6 / 4 / 2 / 10 |")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:tests|docs)/[\w/.]+)`", page.read_text())
    made = {"docs/chaos-report.md"}  # by a command
    assert [path for path in named if path not in made and not (ROOT / path).exists()] == []


def test_every_link_to_a_section_of_ours_leads_to_a_heading() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text()):
            text = (page.parent / target if target else page).read_text()
            heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads], (
                page.name,
                anchor,
            )


@pytest.mark.parametrize("name", ["G1", "G2", "G3", "G4", "G5", "G6"])
def test_each_guarantee_stands_in_the_words_of_the_design_with_what_shows_it(name: str) -> None:
    design, page = ((ROOT / "docs" / file).read_text() for file in ("design.md", "guarantees.md"))
    found = re.search(rf"^- \*\*{name} [^*]+\*\*\s(.*?)(?=^- \*\*G|^## )", design, re.MULTILINE | re.DOTALL)
    section = page.partition(f"\n## {name} ")[2].partition("\n## ")[0]
    assert found is not None
    promise = " ".join(found[1].partition("\n  (")[0].split())  # without its reason
    assert promise in " ".join(section.split())
    assert "tests/" in section


def test_every_warning_of_the_readiness_probe_is_told_of() -> None:
    code = "".join((ROOT / "src" / "bearerd" / "serve" / name).read_text() for name in ("desk.py", "renewal.py"))
    page = (ROOT / "docs" / "operations.md").read_text()
    words = set(
        re.findall(
            r'f?"((?:insecure_issuer|restart_needed|serving_stale|snapshot_\w+|clock_set_\w+|certificate_\w+))[:"]',
            code,
        )
    )
    told = set(re.findall(r"`([a-z_]+)(?::[A-Z]+)?`", page.partition("Warnings:")[2].partition("\n## ")[0]))
    assert len(words) >= 6
    assert words <= told


def test_every_script_of_the_store_is_told_of() -> None:
    page = (ROOT / "docs" / "store.md").read_text()
    names = {path.stem for path in (ROOT / "src" / "bearerd" / "store" / "scripts").glob("*.lua")} - {"common"}
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", page, re.MULTILINE))))
    assert names - told == set()


def test_every_reason_for_which_a_snapshot_is_refused_is_told_of() -> None:
    page = (ROOT / "docs" / "store.md").read_text()
    assert [reason for reason in SNAPSHOT_REASONS if f"`{reason}`" not in page] == []


@pytest.mark.parametrize(
    ("head", "table"),
    [
        ("[server]", model.Server),
        ("[server.tls]", model.Tls),
        ("[store]", model.Store),
        ("[trust]", model.Trust),
        ("[identity]", model.Identity),
        ("[apikeys]", model.ApiKeys),
        ("[audit]", model.Audit),
        ("[[issuer]]", model.Issuer),
        ("[[caller]]", model.Caller),
        ("[[sensitive]]", model.Pattern),
        ("[approvals]", model.Approvals),
        ("[resource.NAME]", model.Resource),
        ("[[resource.NAME.rule]]", model.Rule),
    ],
)
def test_the_page_on_the_configuration_has_each_key_with_its_default(head: str, table: type[model.Table]) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    section = page.partition(f"\n## `{head}`\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    named = {field.alias or key: field for key, field in table.model_fields.items()}
    fields = {key: field for key, field in named.items() if (table, key) != (model.Resource, "rule")}
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


# Where an example says what its upstream gets.
FILES = [
    ("nginx", "nginx.conf"),
    ("nginx", "nginx-caching.conf"),
    ("envoy", "envoy.yaml"),
    ("traefik", "dynamic.yaml"),
    ("caddy", "Caddyfile"),
]


@pytest.mark.parametrize(("example", "file"), [*FILES, ("envoy-grpc", "envoy.yaml"), ("haproxy", "haproxy.cfg")])
def test_each_example_keeps_the_token_from_the_upstream_in_a_line_that_it_explains(example: str, file: str) -> None:
    text = (ROOT / "examples" / example / file).read_text().lower()
    guide = (ROOT / "examples" / example / "README.md").read_text()
    assert "the upstream has no use for the token itself; delete this line if yours has" in text
    assert re.search(
        r"^- \*\*`[^`]*authorization[^`]*`\*\*.*Delete the line where it has", guide, re.MULTILINE | re.IGNORECASE
    )


@pytest.mark.parametrize(("example", "file"), [*FILES, ("haproxy", "bearerd.lua")])
def test_each_example_knows_every_identity_header_and_the_signed_one(example: str, file: str) -> None:
    text = (ROOT / "examples" / example / file).read_text().lower()
    for header in (*model.IDENTITY, model.SIGNED):
        last = header.lower().removeprefix("x-auth-")
        assert f"x-auth-{last}" in text or re.search(rf"x\[\^a-z0-9\]auth\[\^a-z0-9\]\([a-z|]*\b{last}\b", text), header


@pytest.mark.parametrize("example", ["nginx", "envoy", "traefik", "caddy", "haproxy", "envoy-grpc", "compose"])
def test_the_examples_configurations_are_valid(example: str, tmp_path: Path) -> None:
    file = tmp_path / "bearerd.toml"
    file.write_text((ROOT / "examples" / example / "bearerd.toml").read_text())
    assert "api" in load.load(file, {}).resource
