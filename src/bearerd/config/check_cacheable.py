"""Cross-checks of ``cacheable_for``: for how long gateways may keep answers, and which can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.config.problems import dotted
from bearerd.config.units import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bearerd.config.model import Resource, Store
    from bearerd.config.problems import Problems

LONGEST: Final = 60.0  # seconds; beyond it, a revocation is no longer one
SHORTEST: Final = {"nginx": 2.0, "forwarded": 1.0}  # whole seconds, of which nginx is told one less (faces.storing)


def check_cacheable(resources: Mapping[str, Resource | None], store: Store, problems: Problems) -> None:
    """Of every resource that says so."""
    for name, resource in resources.items():
        if resource is not None and resource.cacheable_for is not None:
            _check(dotted("resource", [name]), resource, resource.cacheable_for, store, problems)


def _check(key: str, resource: Resource, seconds: float, store: Store, problems: Problems) -> None:
    place = f"{key}.cacheable_for"
    _check_gateways(place, key, resource, seconds, problems)
    if seconds > LONGEST:
        remedy = f'at most "{spelled(LONGEST)}": for so long what was revoked may go on being allowed'
        problems.add(place, f"{spelled(seconds)} is too long", remedy)
    field = "max_staleness" if resource.staleness == "strict" else "available_for"
    limit: float = getattr(store, field)
    if seconds > limit:
        wrong = f"{spelled(seconds)} is longer than store.{field} = {spelled(limit)}"
        remedy = (
            f'at most "{spelled(limit)}": no answer may be kept for longer than the view that it was given by is good'
        )
        problems.add(place, wrong, remedy, given=("store",))
    if resource.enforce == "shadow":
        remedy = "remove it until the resource is enforced: what a gateway answers by itself is not counted"
        problems.add(place, 'stands beside enforce = "shadow"', remedy, given=(f"{key}.enforce",))


def _check_gateways(place: str, key: str, resource: Resource, seconds: float, problems: Problems) -> None:
    least = max((SHORTEST.get(gateway, 0.0) for gateway in resource.gateways), default=0.0)
    if not least:
        asks = " and ".join(f'"{gateway}"' for gateway in resource.gateways)
        remedy = 'remove it: what "nginx" and "forwarded" are answered follows from what a key can hold, and nothing else does'
        problems.add(place, f"gateway = {asks or 'none'} can keep no answer", remedy, given=(f"{key}.gateway",))
    elif seconds < least:
        more = ", and nginx keeps an answer for up to one more than it is told" if least > 1 else ""
        remedy = f'at least "{spelled(least)}": gateways count whole seconds{more}'
        problems.add(place, f"{spelled(seconds)} is too short for any answer to be kept", remedy)


def warnings(resources: Mapping[str, Resource]) -> Iterator[str]:
    """What the operator takes upon himself."""
    for name, resource in resources.items():
        if resource.cacheable_for is not None:
            by_path = any(rule.methods is not None or rule.path is not None or rule.preflight for rule in resource.rule)
            yield (
                f"{dotted('resource', [name])}.cacheable_for: for up to {spelled(resource.cacheable_for)} a gateway that keeps "
                "answers allows what was revoked, and nobody counts or logs it; its key must hold Authorization, the "
                "resource's name, method, URI and host" + (": the rules depend on them" if by_path else "")
            )
