"""``bearerd check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bearerd.cli.output import config_option, emit, format_option, plain, table


@click.command()
@config_option
@format_option
def command(path: str, form: str) -> None:
    """Validate a configuration: exit code 0 valid, 1 not, 2 it cannot be read.

    Prints the effective configuration (secrets masked, environment included), what deserves a second look, and every rule
    that opens a path without a token.
    """
    from bearerd.config import effective, load
    from bearerd.errors import ConfigError, UnreadableConfig

    try:
        config = load.load(path)
    except ConfigError as error:
        problems = [{"key": key, "problem": wrong, "remedy": remedy} for key, wrong, remedy in error.problems]
        text = str(error)
        emit(form, {"valid": False, "file": path, "problems": problems}, lambda _: click.echo(text, err=True))
        raise click.exceptions.Exit(2 if isinstance(error, UnreadableConfig) else 1) from None
    server = config.server.model_copy(update={"data_dir": load.data_dir(config, path)})
    found = {
        "valid": True,
        "file": path,
        "effective": effective.effective(config.model_copy(update={"server": server})),
        "warnings": effective.warnings(config, Path(path)),
        "open_paths": [opening._asdict() for opening in effective.open_paths(config)],
    }
    emit(form, found, _show)


def _show(found: dict[str, Any]) -> None:
    from bearerd.config import effective

    click.echo(f"# {found['file']}: valid.  In effect:\n\n{effective.as_toml(found['effective'])}")
    for warning in found["warnings"]:
        click.echo(f"# warning: {plain(warning)}")
    if found["open_paths"]:
        click.echo("# open without a token:")
        table([("#", row["key"], row["methods"], row["path"], row["why"]) for row in found["open_paths"]])
    else:
        click.echo("# nothing is open without a token")
