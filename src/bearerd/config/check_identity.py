"""Cross-checks of ``[identity]`` and of what resources say of it, and what in it is worth a second look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bearerd.config import files, identity_keys
from bearerd.config.check_issuers import not_a_web_url
from bearerd.config.pem import Unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bearerd.config.identity_keys import Found
    from bearerd.config.model import Config, Identity, Issuer, Resource, Server
    from bearerd.config.problems import Problems

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FILES: Final = "identity.key_files"


def check_issuer(identity: Identity, issuers: Sequence[Issuer | None], server: Server, problems: Problems) -> None:
    """bearerd's own name: a URL, and nobody else's."""
    key, given = "identity.issuer", ("identity.issuer", "server.profile")
    wrong = not_a_web_url(identity.issuer)
    if wrong:
        problems.add(key, wrong, 'name this bearerd, like "https://auth.internal.example"')
    elif identity.issuer.startswith("http:") and server.profile != "development":
        problems.add(key, "must be an https url", 'https, or server.profile = "development"', given=given)
    for number, issuer in enumerate(issuers):
        if issuer is not None and issuer.issuer == identity.issuer:
            remedy = "name bearerd by a URL of its own: what it signs must not be taken for that issuer's tokens"
            problems.add(key, f"it is that of issuer[{number}]", remedy, given=(key, f"issuer[{number}].issuer"))


def check_resources(resources: Mapping[str, Resource | None], problems: Problems, *, given: bool) -> None:
    """``forward_identity`` and ``identity_audience``.  ``given``: there is a table ``[identity]``."""
    for name, resource in resources.items():
        if resource is None:
            continue
        key = f"resource.{name}"
        mode, audience = resource.forward_identity, resource.identity_audience
        if resource.signed and not given:
            remedy = 'add [identity] with issuer and key_files, or write forward_identity = "headers"'
            problems.add(f"{key}.forward_identity", f'"{mode}" without keys to sign with', remedy)
        if not resource.signed and audience is not None:
            remedy = 'set forward_identity = "jwt" or "both", or remove it'
            problems.add(
                f"{key}.identity_audience", "has no effect on headers", remedy, given=(f"{key}.forward_identity",)
            )
        if resource.signed and audience is None and resource.identifier is None:
            problems.add(
                f"{key}.identity_audience",
                "required, as the resource has no identifier",
                "name the upstream: a signed identity for anybody could be shown to anybody",
                given=(f"{key}.identity_audience", f"{key}.identifier"),
            )
        if audience is not None and (not audience or _CONTROL.search(audience)):
            problems.add(f"{key}.identity_audience", "empty, or with a control character", "write it as in aud")


def check_keys(identity: Identity, data_dir: Path, problems: Problems) -> tuple[str, ...]:
    """The keys of all files, in PEM; what is wrong with any of them is told."""
    first: dict[str, str] = {}
    held: list[Found] = []
    for number, path in enumerate(identity.key_files):
        key = f"{_FILES}[{number}]"
        for found in _keys_of(key, path, data_dir, problems):
            if found.kid in first:
                wrong = f"{path} holds the key of {first[found.kid]} once more (kid {found.kid})"
                problems.add(key, wrong, "each key stands once")
            first.setdefault(found.kid, key)
            held.append(found)
            if len(held) == 1 and not found.private:
                problems.add(key, f"{path} begins with a public key", "the first key signs: put a private one first")
    if len(held) > identity_keys.MOST_KEYS:
        many = f"{len(held)} keys, more than {identity_keys.MOST_KEYS}"
        problems.add(_FILES, many, "remove those that no valid identity was signed with")
    return tuple(found.pem for found in held)


def _keys_of(key: str, path: Path, data_dir: Path, problems: Problems) -> list[Found]:
    if (trouble := files.trouble(path)) is not None:
        problems.add(key, *trouble)
        return []
    if path.resolve().is_relative_to(data_dir.resolve()):
        wrong = f"{path} is within data_dir: whatever may write there could be anybody to every upstream"
        problems.add(key, wrong, "keep it elsewhere", given=("server.data_dir",))
        return []
    try:
        return identity_keys.read(path)
    except Unfit as error:
        problems.add(key, error.wrong, error.remedy)
        return []


def warnings(config: Config) -> Iterator[str]:
    """Keys for everybody to read, and keys that nothing is signed with."""
    identity = config.identity
    if identity is None:
        return
    for number, path in enumerate(identity.key_files):
        if files.world_readable(path):
            yield f"{_FILES}[{number}]: every local user may read {path}"
    if not any(resource.signed for resource in config.resource.values()):
        yield 'identity: no resource has forward_identity = "jwt" or "both": nothing is signed'
