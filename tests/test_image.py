"""The container image's recipe: what can be said of it without a builder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPE = (ROOT / "Dockerfile").read_text()


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    run = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_last_stage_has_a_numeric_user_a_health_check_and_no_compiler() -> None:
    last = RECIPE[RECIPE.rindex("\nFROM ") :]
    assert re.search(r"^USER \d+:\d+$", last, re.MULTILINE)
    assert '"bearerd", "health"' in last
    assert "apt-get" not in last
    assert "gcc" not in last


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    kept = {
        line[1:].split("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for line in re.findall(r"^COPY (?!--from)(.*)$", RECIPE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in kept, f"{source} is left out by .dockerignore"


def test_the_image_builds_where_a_builder_is_present() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no container builder is running here")
    subprocess.run([docker, "build", "--quiet", str(ROOT)], check=True)
