"""``bearerd bench``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from bearerd.cli import crowd, place, secure, tokens, usage
from bearerd.cli.output import Between, Failure, Unreachable, config_option, emit, format_option, plain, table

if TYPE_CHECKING:
    from bearerd.config.model import Config, Resource

SHARES: Final = (0.5, 0.99, 0.999)
BUSY: Final = 0.9  # of a core: from there on the client measures itself


@click.command()
@config_option
@click.option("--resource", "-r", metavar="NAME", help="What the token is presented to; none: what --host chooses.")
@click.option("--method", "-X", metavar="METHOD", default="GET", show_default=True, help="The original request's.")
@click.option("--path", "target", metavar="PATH", default="/", show_default=True, help="Its raw path.")
@click.option("--host", metavar="HOST", help="Its Host; localhost where --resource says what is meant.")
@tokens.token_file_option
@click.option(
    "--connections", "-n", type=click.IntRange(1, 1000), default=16, show_default=True, help="Kept-alive connections."
)
@click.option("--seconds", "-s", type=Between(0.1, 60), default=5.0, show_default=True, help="How long it is asked.")
@click.option("--cert", type=click.Path(dir_okay=False), metavar="FILE", help="mTLS: the certificate to show.")
@click.option("--key", type=click.Path(dir_okay=False), metavar="FILE", help="Its key, if it is in another file.")
@format_option
def command(
    path: str,
    token_file: str,
    form: str,
    connections: int,
    seconds: float,
    cert: str | None,
    key: str | None,
    **asked: str | None,
) -> None:
    """Load the running bearerd of FILE with one question: exit code 0 always allowed, 1 not always, 2 nobody answers.

    The token is read from standard input or a file; it is asked about as a gateway asks, on each connection again as soon as
    the answer is there.  Everything is real: decisions are counted and refusals logged.  The client is written in Python and
    slower than bearerd, so requests/s are often its own limit; the CPU that bearerd takes for a request is not.

    \b
    bearerd bench -c FILE -r orders -X GET --path /orders/7 < token.jwt
    bearerd bench -c FILE --host api.example.com --path /orders/7 < token.jwt
    """
    from bearerd.config import load

    config = load.load(path)
    request, dialect = question(config, asked, tokens.read(token_file))
    where, pid = _running(path, config, dialect)
    tls = None if where.startswith("unix:") else secure.context(config.server.tls, cert, key)
    plan = crowd.Plan(where, request, connections, seconds, bodiless=request.startswith(b"HEAD "), tls=tls)
    found = _measured(plan, pid)
    emit(form, {"resource": asked["resource"], "host": asked["host"], **found}, _show)
    raise click.exceptions.Exit(0 if set(found["statuses"]) == {"200"} and not found["lost"] else 1)


def question(config: Config, asked: dict[str, str | None], token: str) -> tuple[bytes, str]:
    """The request, as the resource's gateway would send it; and the dialect that its listener fixes, if any.

    Raises Failure.
    """
    from bearerd.faces import asked as faces
    from bearerd.faces import ext_authz, forward_auth

    name = asked["resource"]
    gateways = frozenset(_resource(config, asked).gateways)
    host = asked["host"] or "localhost"
    dialect = faces.dialect_of(gateways, forward_auth.FACE)
    if dialect:
        family = forward_auth.FAMILIES[dialect]
        told = {family.method: asked["method"], family.target: asked["target"], family.host: host}
        where = f"/auth/{name}" if name else "/auth"
        lines = [f"GET {where} HTTP/1.1", "Host: bearerd", *(f"{key.decode()}: {told[key]}" for key in told)]
    elif faces.dialect_of(gateways, ext_authz.FACE):
        lines = [f"{asked['method']} /ext_authz/{name}{asked['target']} HTTP/1.1", f"Host: {host}"]
    elif gateways:
        raise Failure(f"resource.{name} is asked about by gRPC alone, which bench does not speak")
    else:
        raise Failure(f"resource.{name} names no gateway: nobody may ask about it")
    lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*map(_one_line, lines), "", ""]).encode(), "" if name else dialect


def _resource(config: Config, asked: dict[str, str | None]) -> Resource:
    """The one that is named, or whom ``/auth`` chooses for this host and path."""
    from bearerd.policy.resource import Policy

    name, host, target = asked["resource"], asked["host"], asked["target"] or "/"
    if name is not None:
        if name not in config.resource:
            raise Failure(f"there is no resource {name}; there are: {', '.join(sorted(config.resource))}")
        return config.resource[name]
    if host is None:
        raise click.UsageError("--resource (or --host) is missing: what is the token presented to?")
    policy = Policy(config, 0)
    place = policy.hosts.find(_one_line(host).encode(), _one_line(target).encode())
    if place < 0:
        raise Failure("no resource has that host and path: bearerd explain --host says more")
    return config.resource[policy.named[place].name]


def _one_line(text: str) -> str:
    """Raises Failure, and does not say what of."""
    if not (text.isascii() and text.isprintable()):
        raise Failure("token, method, path and host are printable ASCII")
    return text


def _running(path: str, config: Config, dialect: str) -> tuple[str, int | None]:
    """Where the public listener is, and the process: as the running service wrote them down, else by the file.

    ``dialect``: it has to fix this one; empty: any listener will do.
    """
    from bearerd.config.model import name_of
    from bearerd.serve.folder import read_addresses

    told = read_addresses(place.find(path).data_dir)
    fixed = {name_of(entry): entry.gateway for entry in config.server.listen if not isinstance(entry, str)}
    given = [name for name in map(name_of, config.server.listen) if not name.endswith(":0")]
    fixed = told.get("gateways", fixed)
    listed = [name for name in told.get("listen") or given if not dialect or fixed.get(name) == dialect]
    if not listed and dialect:
        raise Unreachable(
            f'bearerd listens nowhere with gateway = "{dialect}": has it been restarted since that was written?'
        )
    if not listed:
        raise Unreachable("server.listen has port 0, and no running bearerd has written down its port")
    pid = told.get("pid")
    return place.reachable(str(listed[0])), pid if isinstance(pid, int) else None


def _measured(plan: crowd.Plan, pid: int | None) -> dict[str, Any]:
    first = crowd.gather(replace(plan, connections=1, seconds=0.0))
    if not first.answered:
        why = f" ({first.trouble})" if first.trouble else ""
        raise Unreachable(f"nobody answers as bearerd does at {plan.where}: is it running?{why}")
    before = None if pid is None else usage.cpu_seconds(pid)
    tally = crowd.gather(plan)
    after = None if pid is None else usage.cpu_seconds(pid)
    used = None if before is None or after is None else max(0.0, after - before)
    p50, p99, p999 = (round(seconds * 1e6) for seconds in tally.percentiles(*SHARES))
    return {
        "asked": plan.where,
        "connections": plan.connections,
        "seconds": round(tally.seconds, 3),
        "answers": tally.answered,
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "lost": tally.lost,
        "turned_away": tally.turned_away,
        "requests_per_second": round(tally.answered / tally.seconds),
        "latency_us": {"p50": p50, "p99": p99, "p999": p999},
        "cpu_us_per_request": None if used is None or not tally.answered else round(used / tally.answered * 1e6, 1),
        "cpu_cores": None if used is None else round(used / tally.seconds, 2),
        "client_cores": round(tally.client_cpu / tally.seconds, 2),
    }


def _show(found: dict[str, Any]) -> None:
    times = found["latency_us"]
    cpu, cores = found["cpu_us_per_request"], found["cpu_cores"]
    rows = [
        ("asked", f"{found['asked']}, {found['connections']} connections, {found['seconds']:.1f} s"),
        ("answers", ", ".join(f"{count:,} × {status}" for status, count in found["statuses"].items()) or "none"),
        ("requests/s", f"{found['requests_per_second']:,}"),
        ("latency", f"p50 {times['p50']:,} µs, p99 {times['p99']:,} µs, p99.9 {times['p999']:,} µs"),
        ("bearerd's CPU", "not to be seen from here" if cpu is None else f"{cpu} µs a request, {cores} cores"),
        ("this client's CPU", f"{found['client_cores']} cores"),
    ]
    rows += [(name, found[key]) for key, name in (("lost", "lost"), ("turned_away", "turned away")) if found[key]]
    table(rows)
    if found["client_cores"] > BUSY:
        click.echo("hint: the client was at its own limit: bearerd answers more, and sooner, than this says")
    if set(found["statuses"]) - {"200"}:
        named = f"-r {found['resource']}" if found["resource"] else f"--host {found['host']}"
        click.echo(f"hint: bearerd explain {plain(named)} says why the token is refused")
