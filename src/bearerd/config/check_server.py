"""Cross-checks of server, store, trust and limits."""

from __future__ import annotations

import grp
import ipaddress
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bearerd.config import addresses, files, store_url
from bearerd.config.model import UnixListener, address_of
from bearerd.config.units import rounded_up, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bearerd.config.addresses import Address
    from bearerd.config.model import Issuer, Server, Store, Trust
    from bearerd.config.problems import Problems
    from bearerd.limits import Limits

_MODE: Final = re.compile(r"0?[0-7]{3}")
_DURABILITY: Final = re.compile(r"memory|fsync|replicas=[1-9][0-9]?")
_SOCKET_PATH_BYTES: Final = 107  # sun_path, with its final zero


def check_server(server: Server, problems: Problems) -> None:
    """Listeners: where they are and who can reach them."""
    listeners = _listeners(server, problems)
    if not server.listen:
        problems.add(
            "server.listen", "must not be empty", 'the default is ["127.0.0.1:9180"]', given=("server.listen",)
        )
    for name in ("admin", "probes", "grpc"):
        place = getattr(server, name)
        found = _address(f"server.{name}", place, server, problems) if isinstance(place, str) else None
        if found is None:
            continue
        if name == "admin" and not found.loopback:
            # Its bearer token would cross the network in the clear, and whoever holds it revokes for the whole fleet.
            problems.add("server.admin", f"{server.admin} is not a loopback address", "keep it on 127.0.0.1 or [::1]")
        listeners.append((f"server.{name}", found))
    for number, (key, found) in enumerate(listeners):
        for other_key, other in listeners[:number]:
            if found.clashes(other):
                problems.add(key, f"the same address as {other_key}", "give each listener a port of its own")
                break


def _listeners(server: Server, problems: Problems) -> list[tuple[str, Address]]:
    found = []
    for number, entry in enumerate(server.listen):
        key = f"server.listen[{number}]"
        if isinstance(entry, UnixListener):
            _check_socket(key, entry, problems)
        else:
            key += "" if isinstance(entry, str) else ".address"
            if (address := _address(key, address_of(entry), server, problems)) is not None:
                found.append((key, address))
    return found


def _address(key: str, text: str, server: Server, problems: Problems) -> Address | None:
    given = (key.partition("[")[0],)
    try:
        found = addresses.parse(text)
    except ValueError as error:
        problems.add(key, f'"{text}" is not an address: {error}', 'write it like "127.0.0.1:9180"', given=given)
        return None
    if found.port == 0 and server.profile == "production":
        problems.add(key, "port 0 is only for the development profile", "name a port", given=(*given, "server.profile"))
    return found


def _check_socket(key: str, listener: UnixListener, problems: Problems) -> None:
    size = len(listener.path.encode())
    if "\0" in listener.path:
        problems.add(f"{key}.path", "not a path", "name a socket")
    elif not 0 < size <= _SOCKET_PATH_BYTES:
        problems.add(f"{key}.path", f"a socket's path has 1 to {_SOCKET_PATH_BYTES} bytes, not {size}", "shorten it")
    if not _MODE.fullmatch(listener.mode):
        problems.add(f"{key}.mode", f'"{listener.mode}" is not a mode', 'write it in octal, like "0660"')
    if listener.group is not None:
        try:
            grp.getgrnam(listener.group)
        except (KeyError, ValueError):  # ValueError: a NUL
            problems.add(f"{key}.group", f"there is no group {listener.group!a} here", "name the gateway's group")


def check_store(store: Store, server: Server, problems: Problems) -> None:
    """The store's place, its name for the fleet, and the times that belong together."""
    if store.url is not None and store.url_file is not None:
        problems.add("store.url_file", "given beside store.url", "keep one of the two", given=("store.url",))
    remote = store.url is not None or store.url_file is not None
    if store.url is not None:
        _check_store_url("store.url", store.url, store, problems)
    if remote and store.fleet is None and server.profile == "production":
        problems.add(
            "store.fleet",
            "required in the production profile with a store url",
            "name the fleet: programs that share a store share revocations only under one name",
            given=("store.fleet", "store.url", "server.profile"),
        )
    for name in ("fleet_key_file", "snapshot_key_file"):
        check_key_file(f"store.{name}", getattr(store, name), problems)
    if not remote and store.ca_file is not None:
        problems.add("store.ca_file", "has no effect without a store's url", "write rediss://… or remove it")
    if not remote and not store.embedded:
        _check_embedded(server, problems)
    if store.available_for < store.max_staleness:
        problems.add(
            "store.available_for",
            f"{spelled(store.available_for)} is shorter than max_staleness = {spelled(store.max_staleness)}",
            "available resources would refuse before strict ones do",
            given=("store.available_for", "store.max_staleness"),
        )
    if store.durability is not None and not _DURABILITY.fullmatch(store.durability):
        problems.add(
            "store.durability",
            f'"{store.durability}" is not a durability',
            'write "memory", "fsync" or "replicas=1" (to 99)',
        )
    elif store.durability is not None and store.durability.startswith("replicas") and not remote:
        problems.add(
            "store.durability",
            "without a store.url the store is an embedded one, which has no replicas: nothing would ever be served",
            'set store.url, or write "fsync"',
            given=("store.url", "store.url_file"),
        )


def check_sealing_keys(store: Store, data_dir: Path, problems: Problems) -> None:
    """Whoever can write data_dir must not be able to write the key to what is in it."""
    for name in ("fleet_key_file", "snapshot_key_file"):
        key: Path | None = getattr(store, name)
        if key is not None and key.resolve().is_relative_to(data_dir.resolve()):
            problems.add(
                f"store.{name}",
                f"{key} is within data_dir: whoever can write a snapshot could write its key, too",
                "keep it elsewhere",
                given=(f"store.{name}", "server.data_dir"),
            )


def check_store_url_file(store: Store, problems: Problems) -> str | None:
    """The url from ``url_file``; None where there is none, or it cannot be used."""
    if store.url_file is None or store.url is not None or files.trouble(store.url_file):
        return None
    try:
        url = files.read_secret(store.url_file).decode("ascii")
    except ValueError as error:
        problems.add(
            "store.url_file", f"its content is no url: {error}", "one line, such as rediss://user:password@host"
        )
        return None
    _check_store_url("store.url_file", url, store, problems)
    return url


def check_key_file(key: str, path: Path | None, problems: Problems) -> None:
    """What ``store.seal`` will make of it."""
    if path is None or files.trouble(path):
        return
    try:
        size = len(files.read(path, files.MAX_SECRET_BYTES).strip())
    except (OSError, ValueError) as error:
        problems.add(key, f"{path}: {error}", "name a file that holds a key")
        return
    if size < files.LEAST_KEY_BYTES:
        wrong = f"{path} holds {size} bytes, at least {files.LEAST_KEY_BYTES} are needed"
        problems.add(key, wrong, "openssl rand -base64 48 > FILE")


def _check_store_url(key: str, url: str, store: Store, problems: Problems) -> None:
    """The text is never quoted: it may hold a password."""
    try:
        found = store_url.parse(url)
    except ValueError as error:
        problems.add(key, f"not a store's url: {error}", f"write {store_url.FORMS}")
        return
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        path = found.options.get(name)
        if path is None:
            continue
        if not path.startswith("/"):
            problems.add(key, f"{name} is a relative path", "write it from the root")
        elif trouble := files.trouble(Path(path)):
            problems.add(key, f"{name}: {trouble[0]}", "name a file that can be read")
    _check_shown(key, found.options, problems)
    if store.ca_file is None:
        return
    if not found.tls:
        problems.add(
            "store.ca_file", "has no effect: the store's url is not one with TLS", "write rediss://… or remove it"
        )
    elif found.options.keys() & {"ssl_ca_certs", "ssl_ca_path"}:
        problems.add("store.ca_file", "given beside an option of the url that says the same", "keep one of the two")
    elif not files.trouble(store.ca_file) and not files.holds_certificates(store.ca_file):
        problems.add("store.ca_file", f"{store.ca_file} holds no certificate in PEM", "name a CA bundle")


def _check_shown(key: str, options: Mapping[str, str], problems: Problems) -> None:
    """The certificate that the store is shown, and its key: OpenSSL's own words at the first connection name neither."""
    certificate, private = options.get("ssl_certfile"), options.get("ssl_keyfile")
    if certificate is None:
        if private is not None:
            problems.add(key, "ssl_keyfile has no effect without ssl_certfile", "name the certificate, too, or neither")
        return
    if any(path is not None and (path[:1] != "/" or files.trouble(Path(path))) for path in (certificate, private)):
        return  # told already
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, private, options.get("ssl_password", ""))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or type(error).__name__
        wrong = f"ssl_certfile: {certificate} and its key, {private or 'in the same file'}, cannot be used ({reason})"
        remedy = "name a certificate in PEM and the key that it was made for; ssl_password opens an encrypted key"
        problems.add(key, wrong, remedy)


def _check_embedded(server: Server, problems: Problems) -> None:
    """An embedded store is this machine's alone; with listeners for others there will be a second machine some day."""
    for key, address in server.asked_at:
        try:
            local = addresses.parse(address).loopback
        except ValueError:
            continue  # told by check_server
        if not local:
            problems.add(
                key,
                f"{address} serves other machines, but there is no store.url: revocations would stay on this one",
                "set store.url, or store.embedded = true if there will only ever be one machine",
                given=("server.listen", "store.url", "store.url_file", "store.embedded"),
            )


def check_retention(store: Store, issuers: Sequence[Issuer | None], problems: Problems) -> None:
    """A revocation must outlive every token that it is about (contracts, section 5, Life)."""
    for number, issuer in enumerate(issuers):
        if issuer is not None and issuer.max_lifetime + issuer.leeway > store.revocation_retention:
            key, needed = f"issuer[{number}]", rounded_up(issuer.max_lifetime + issuer.leeway)
            sum_ = f"{spelled(issuer.max_lifetime)} + {spelled(issuer.leeway)}"
            problems.add(
                "store.revocation_retention",
                f"{spelled(store.revocation_retention)} is shorter than max_lifetime + leeway of {key} ({sum_})",
                f"at least {needed}, else a revoked token would be good again before it expires",
                given=("store.revocation_retention", f"{key}.max_lifetime", f"{key}.leeway"),
            )


def check_trust(trust: Trust, problems: Problems) -> None:
    """Networks, exactly as they must be meant."""
    for number, peer in enumerate(trust.peers):
        if peer == "unix":
            continue
        key = f"trust.peers[{number}]"
        try:
            ipaddress.ip_network(peer)
        except ValueError:
            problems.add(key, f'"{peer}" is neither a network nor "unix"', _network_meant(peer), given=("trust.peers",))


def _network_meant(peer: str) -> str:
    try:
        return f"did you mean {ipaddress.ip_network(peer, strict=False)}?"
    except ValueError:
        return 'write "10.0.0.0/8", "::1/128", a single address, or "unix"'


def check_limits(limits: Limits, problems: Problems) -> None:
    """A token must fit into a field, and a field into a head; else the outer limit would speak for the inner one."""
    for smaller, larger in (("max_token_bytes", "max_header_bytes"), ("max_header_bytes", "max_head_bytes")):
        inner, outer = getattr(limits, smaller), getattr(limits, larger)
        beside = len("Bearer ") if smaller == "max_token_bytes" else 0
        if inner + beside > outer:
            problems.add(
                f"limits.{smaller}",
                f"{inner} is more than {larger} = {outer}"
                + (f" holds beside {beside} of its scheme" if beside else ""),
                f"lower {smaller} or raise {larger}",
                given=(f"limits.{smaller}", f"limits.{larger}"),
            )
