"""``bearerd health``: for a container's health check, so it imports little and reads only what it needs."""

from __future__ import annotations

from typing import Any

import click

from bearerd.cli import place
from bearerd.cli.ask import ask
from bearerd.cli.output import Between, Failure, emit, format_option, table


@click.command()
@click.option("--config", "-c", "path", type=click.Path(dir_okay=False), metavar="FILE", help="The configuration.")
@click.option(
    "--timeout", type=Between(0.01, 600), default=2.0, show_default=True, metavar="SECONDS", help="For the answer."
)
@format_option
def command(path: str | None, timeout: float, form: str) -> None:
    """Ask the probes listener whether bearerd is ready: exit code 0 yes, 1 no, 2 nobody answers.

    Its address is found in FILE, in BEARERD_SERVER__PROBES, or is 127.0.0.1:9182.
    """
    status, answer = ask(place.find(path).probes, "GET", "/readyz", seconds=timeout)
    if status not in (200, 503) or not isinstance(answer, dict) or "components" not in answer:
        raise Failure("who answers there is not bearerd's probes listener")
    emit(form, answer, _show)
    raise click.exceptions.Exit(0 if status == 200 else 1)


def _show(answer: dict[str, Any]) -> None:
    parts = dict(answer["components"])
    groups = {one: parts.pop(f"{one}s", {}) for one in ("resource", "issuer")}
    rows = [("ready", answer.get("ready")), *parts.items()]
    rows += [(f"{one} {name}", state) for one, group in groups.items() for name, state in group.items()]
    since = answer.get("since", {})
    warnings = [f"{one} since {since[one]}" if one in since else one for one in answer.get("warnings", ())]
    table(rows + [("warning", warning) for warning in warnings])
    if parts.get("configuration") == "not_reloaded":
        click.echo(
            "hint: the file was not taken into use, the old one counts: bearerd check --config FILE says why, or the log"
        )
