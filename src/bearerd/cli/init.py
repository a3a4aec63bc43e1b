"""``bearerd init``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from bearerd.cli.output import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from bearerd.starter.wishes import Wishes

_T = TypeVar("_T")


@click.command()
@click.argument("gateway")
@click.option("--issuer", metavar="URL", help="Who signs the tokens.  [default: the development issuer]")
@click.option("--identifier", metavar="URL", help="What clients call the API.  [default: http:// and --public]")
@click.option("--upstream", metavar="URL", help="What is protected.  [default: http://127.0.0.1:9000]")
@click.option("--public", metavar="IP:PORT", help="Where the gateway listens.  [default: the example's]")
@click.option("--listen", metavar="IP:PORT", help="Where bearerd listens.  [default: 127.0.0.1:9180]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write the files there.")
@click.option("--force", is_flag=True, help="Overwrite them.")
def command(gateway: str, out: Path | None, force: bool, **said: str | None) -> None:
    """Print a starting configuration for bearerd and GATEWAY: the tested example, with your addresses.

    Nothing is asked and nothing started.  Each file begins with a line that names it; --out writes them.  bearerd's admin and
    probes listeners have the two ports behind --listen.

    \b
    bearerd init nginx --issuer https://auth.example.com --identifier https://api.example.com/ --out .
    """
    from bearerd.starter import gateways, service

    if gateway not in gateways.GATEWAYS:
        raise click.UsageError(f"there is no example for {gateway}; there are: {', '.join(gateways.GATEWAYS)}")
    wishes = _wishes(gateway, said)
    files = {service.FILE: service.written(gateway, wishes), **gateways.written(gateway, wishes)}
    _checked(files[service.FILE])
    if out is None:
        for name, text in files.items():
            click.echo(f"# ==== {name} ====\n{text}")
    else:
        _write(out, files, force)
        click.echo(f"written to {out}: {', '.join(files)}")
    _tell_next(gateway, wishes, aside=out is None)


def _wishes(gateway: str, said: dict[str, str | None]) -> Wishes:
    from bearerd.starter import gateways, wishes

    def read(name: str, reader: Callable[[str], _T], default: _T) -> _T:
        text = said[name]
        try:
            return default if text is None else reader(text)
        except wishes.BadWish as wrong:
            raise click.UsageError(f"--{name} {text!r} {wrong}") from None

    public = read("public", wishes.listener, gateways.GATEWAYS[gateway].listens)
    found = wishes.Wishes(
        issuer=read("issuer", wishes.url, wishes.ISSUER),
        identifier=read("identifier", wishes.url, f"http://{public.reached}/"),
        public=public,
        bearerd=read("listen", wishes.loopback, wishes.BEARERD),
        upstream=read("upstream", wishes.upstream, wishes.UPSTREAM),
    )
    if (clash := found.clash(grpc=gateway == "envoy-grpc")) is not None:
        raise click.UsageError(f"{clash}: move one of them, by --public, --listen or --upstream")
    return found


def _checked(text: str) -> None:
    """What is handed out passes ``bearerd check``.  Raises UsageError."""
    from bearerd.config import load
    from bearerd.errors import ConfigError

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bearerd.toml"
        file.write_text(text)
        try:
            load.load(file, {})
        except ConfigError as error:
            lines = [f"{key}: {wrong}" + (f" ({remedy})" if remedy else "") for key, wrong, remedy in error.problems]
            raise click.UsageError("with these options bearerd would not start:\n" + "\n".join(lines)) from None


def _write(folder: Path, files: dict[str, str], force: bool) -> None:
    """All of them or none.  Raises Failure."""
    there = [name for name in files if os.path.lexists(folder / name)]
    if there and not force:
        raise Failure(f"{folder} has {', '.join(there)} already: --force overwrites, another --out does not")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            new = folder / f".{name}.new"
            new.write_text(text)
            new.replace(folder / name)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None


def _tell_next(gateway: str, wishes: Wishes, *, aside: bool) -> None:
    from bearerd.config.load import PRODUCTION_DATA_DIR
    from bearerd.starter import gateways
    from bearerd.starter.service import FILE
    from bearerd.starter.wishes import ISSUER

    steps = ["bearerd issuer serve"] if wishes.issuer == ISSUER else []
    steps += [
        f"bearerd serve --config {FILE}",
        gateways.GATEWAYS[gateway].run,
        f"bearerd doctor --config {FILE} http://{wishes.public.reached}/orders/7",
    ]
    told = ["next, each in a terminal of its own:", *(f"  {step}" for step in steps)]
    if wishes.issuer.startswith("https:"):  # the production profile
        told.append(
            f"bearerd keeps its files in {PRODUCTION_DATA_DIR}, which must be its user's; else set server.data_dir"
        )
    told.append(f"then write the rules of your API into {FILE}: those of the example are about orders")
    click.echo("\n".join(told), err=aside)
