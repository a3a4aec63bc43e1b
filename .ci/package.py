#!/usr/bin/env python3
"""Builds an sdist, and from it a wheel, which is installed into an empty environment and asked for decisions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASK = ROOT / ".ci" / "ask_installed.py"


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command; a failure ends the script."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def install_and_ask(distribution: Path, folder: Path) -> None:
    """An empty environment, the distribution, a real process, real answers."""
    print(f"== {distribution.name} in an empty environment", flush=True)
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"{distribution}[embedded]")
    run(python, "-I", ASK, cwd=folder)


def main() -> None:
    """Build and ask."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("== building the sdist, and the wheel from it", flush=True)
        run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
        (wheel,) = folder.glob("*.whl")
        if "any" in wheel.name:
            raise SystemExit(f"{wheel.name} is pure Python: native/ was not compiled into it")
        install_and_ask(wheel, folder)


if __name__ == "__main__":
    main()
