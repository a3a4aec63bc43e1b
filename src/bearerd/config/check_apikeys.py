"""API keys: which resources take them, and under what they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bearerd.config import check_server, files
from bearerd.config.units import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bearerd.config.model import ApiKeys, Config, Resource, Server, Store
    from bearerd.config.problems import Problems

_REMEDY: Final = "openssl rand -base64 48 > FILE; the same for the whole fleet"
NO_PEPPER: Final = (
    "apikeys.pepper_file",
    "is not given, nor store.fleet_key_file: whoever writes the store could make API keys",
    _REMEDY,
)


def taken(resources: Mapping[str, Resource | None]) -> bool:
    """Whether any resource takes API keys."""
    return any(resource is not None and "apikey" in resource.credentials for resource in resources.values())


def check_apikeys(
    apikeys: ApiKeys, resources: Mapping[str, Resource | None], store: Store, server: Server, problems: Problems
) -> None:
    """``[apikeys]``, and the ``credentials`` of each resource."""
    for name, resource in resources.items():
        if resource is not None:
            _check_credentials(f"resource.{name}.credentials", resource, problems)
    if apikeys.lifetime > apikeys.max_lifetime:
        problems.add(
            "apikeys.lifetime",
            f"{spelled(apikeys.lifetime)} is longer than max_lifetime = {spelled(apikeys.max_lifetime)}",
            "lower lifetime or raise max_lifetime",
            given=("apikeys.lifetime", "apikeys.max_lifetime"),
        )
    check_server.check_key_file("apikeys.pepper_file", apikeys.pepper_file, problems)
    missing = apikeys.pepper_file is None and store.fleet_key_file is None
    if missing and server.profile == "production" and taken(resources):
        problems.add(*NO_PEPPER)


def check_place(apikeys: ApiKeys, data_dir: Path, problems: Problems) -> None:
    """The embedded store lies in data_dir: whoever copies that must not have both."""
    key = apikeys.pepper_file
    if key is not None and key.resolve().is_relative_to(data_dir.resolve()):
        problems.add(
            "apikeys.pepper_file",
            f"{key} is within data_dir: whoever copies the embedded store would have its key, too",
            "keep it elsewhere",
            given=("apikeys.pepper_file", "server.data_dir"),
        )


def _check_credentials(key: str, resource: Resource, problems: Problems) -> None:
    if not resource.credentials:
        problems.add(key, "must not be empty", 'write ["jwt"], ["apikey"] or both')
    if len(set(resource.credentials)) < len(resource.credentials):
        problems.add(key, "names one twice", "name each once")


def warnings(config: Config) -> Iterator[str]:
    """What is worth a second look."""
    path = config.apikeys.pepper_file
    if path is not None and files.world_readable(path):
        yield f"apikeys.pepper_file: every local user may read {path}"
    if path is not None and not taken(config.resource):
        yield 'apikeys: no resource takes API keys: add "apikey" to its credentials'
