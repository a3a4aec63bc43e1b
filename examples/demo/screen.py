"""What the demo shows: colours where a person looks, and the files that its curl lines read tokens from."""

from __future__ import annotations

import sys
from pathlib import Path

BOLD, GREEN, RED, DIM, PLAIN = (
    ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)


def announce(what: str, line: str) -> None:
    """A step, and the line that does the same."""
    print(f"\n{BOLD}{what}{PLAIN}\n{DIM}$ {line}{PLAIN}", flush=True)


def verdict(got: object, faults: list[str]) -> None:
    """Whether what came was what had to."""
    wrong = f"{RED}WRONG: {'; '.join(faults)}{PLAIN}"
    print(f"  -> {wrong if faults else f'{GREEN}{got} as expected{PLAIN}'}", flush=True)


def keep(file: Path, token: str) -> None:
    """Put a token into its file, for the curl lines."""
    file.touch(mode=0o600)
    file.write_text(token)
