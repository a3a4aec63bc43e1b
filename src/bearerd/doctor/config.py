"""The configuration: what ``check`` warns of, what is open, and lifetimes that make a stolen token worth having."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.config import effective
from bearerd.config.units import spelled
from bearerd.doctor.finding import Finding, Notebook

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Config

_HOUR: Final = 3600.0
_REMEDY: Final = "see the key in docs/configuration.md"


def examine(config: Config, path: Path | None = None) -> list[Finding]:
    """Findings that need nothing but the file, and where it is."""
    notes = Notebook("configuration")
    warnings = effective.warnings(config, path)
    for warning in warnings:
        if _chosen(warning):
            notes.note("warning", warning, _REMEDY)
        else:
            notes.warning("warning", warning, _REMEDY)
    if not warnings:
        notes.ok("warning", "nothing that check warns of")
    for opening in effective.open_paths(config):
        notes.note("open", str(opening), 'if that was not meant: auth = "required"')
    _look_at_lifetimes(config, notes)
    return notes.findings


def _chosen(warning: str) -> bool:
    """What only the development profile allows was chosen with it."""
    return warning.startswith("server.profile:") or ".insecure_issuer:" in warning


def _look_at_lifetimes(config: Config, notes: Notebook) -> None:
    long = {issuer.name: issuer.max_lifetime for issuer in config.issuer if issuer.max_lifetime > _HOUR}
    exposed = [
        name
        for name, resource in config.resource.items()
        if resource.max_lifetime is None or resource.max_lifetime > _HOUR
    ]
    if long and exposed:
        shown = ", ".join(f"{name} {spelled(seconds)}" for name, seconds in long.items())
        found = f"tokens that live longer than an hour are accepted (max_lifetime: {shown}) by: {', '.join(exposed)}"
        notes.note(
            "lifetime", found, 'a stolen token is good for so long: max_lifetime = "1h" where the issuer\'s allow it'
        )
    else:
        notes.ok("lifetime", "no token that lives longer than an hour is accepted")
