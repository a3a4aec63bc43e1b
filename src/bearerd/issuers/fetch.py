"""Fetching a document from an issuer: bounded in time, size and redirects, and never into our own network.

Everything that is read here was written by somebody else, and where the fetch goes next may have been chosen by them
too (``jwks_uri``, ``Location``).  So: HTTPS only (unless ``insecure_issuer``), no cookies, no environment proxies, no
decompression, redirects followed by hand, and *the address that is connected to* is checked, at the moment its socket is
made: a name that answers differently the second time it is asked (DNS rebinding) gains nothing.

Behind a configured ``proxy`` the proxy resolves the target's name, so only literal addresses can be checked here: the
proxy's own rules must keep it from reaching private ones.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from bearerd import lines
from bearerd.config import files
from bearerd.errors import IssuerFault
from bearerd.issuers import addresses, headers
from bearerd.issuers.faults import Reason
from bearerd.issuers.names import Resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import AddrInfoType
    from multidict import CIMultiDictProxy

    from bearerd.config.model import Issuer

TIMEOUT: Final = 5.0
"""Seconds for one document: names, connections, redirects and the answer, all in all."""

MAX_REDIRECTS: Final = 3

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")  # a name in ASCII form, or an address

Origin = tuple[str, str, int]  # scheme, host, port


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a body, or (304) the word that the one whose ETag was sent is still current."""

    url: str  # after redirects
    body: bytes
    not_modified: bool
    etag: str | None
    max_age: float | None  # seconds that remain of Cache-Control max-age (RFC 9111 section 4.2); None: not told


class Fetcher:
    """Fetches the documents of one issuer, by the rules of its configuration.

    ``resolver`` replaces the system's name resolution (tests change DNS answers with it); ``heard`` is told of each answer's head
    (URL, status, fields) before it is judged.
    """

    def __init__(
        self,
        issuer: Issuer,
        max_bytes: int,
        *,
        timeout: float = TIMEOUT,
        resolver: AbstractResolver | None = None,
        heard: Callable[[URL, int, CIMultiDictProxy[str]], None] | None = None,
    ) -> None:
        self._config = issuer
        self._heard = heard
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._resolver = resolver or Resolver()
        self._origin = _maybe_origin(issuer.issuer)
        self._route = _host_port(issuer.connect_to) if issuer.connect_to else None
        # A private address is the operator's own wish where the configuration names the host, and nowhere else.
        self._named = _named_hosts(issuer)
        # Secrets of fetch_header_file go to the origins that the operator wrote down, never to a learned one.
        self._trusted = {self._origin, _maybe_origin(issuer.jwks_uri)} - {None}

    async def get(self, url: str, etag: str | None = None) -> Response:
        """Fetch one document; ``etag`` makes the request conditional (RFC 9110 section 13.1.2).  Raises IssuerFault."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(url, etag)
        except TimeoutError as error:
            shown = _shown(self._checked(url))
            raise IssuerFault(Reason.TIMEOUT, f"no answer from {shown} within {self._timeout:g} s") from error

    async def post(self, url: str, form: Mapping[str, str], authorization: str | None = None) -> bytes:
        """Send a form, and read the JSON that answers it; no redirect is followed.  Raises IssuerFault."""
        target = self._checked(url)
        try:
            async with asyncio.timeout(self._timeout), self._opened(target, None, form, authorization) as answer:
                return (await self._read(target, answer, conditional=False)).body
        except TimeoutError as error:
            raise IssuerFault(Reason.TIMEOUT, f"no answer from {_shown(target)} within {self._timeout:g} s") from error

    async def _follow(self, url: str, etag: str | None) -> Response:
        target = self._checked(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._opened(target, etag) as answer:
                if self._heard is not None:
                    self._heard(target, answer.status, answer.headers)
                if answer.status not in _REDIRECTS:
                    return await self._read(target, answer, conditional=etag is not None)
                locations = answer.headers.getall("Location", [])
            target = self._redirected(target, locations)
        raise IssuerFault(Reason.REDIRECT, f"more than {MAX_REDIRECTS} redirects, the last to {_shown(target)}")

    def _checked(self, url: str) -> URL:
        """The URL, if it may be fetched at all."""
        try:
            target = URL(url)
            origin = _origin(target)
        except ValueError as error:
            raise IssuerFault(Reason.BAD_URL, f"not an absolute http or https URL: {url[:200]!r}") from error
        if target.scheme == "http" and not self._config.insecure_issuer:
            raise IssuerFault(Reason.BAD_URL, f"not https: {_shown(target)}")
        if target.raw_user is not None or target.raw_password is not None:
            raise IssuerFault(Reason.BAD_URL, f"user information in a URL of host {origin[1]}")
        if origin[1] not in self._named and _certainly_private(origin[1]):
            raise IssuerFault(Reason.PRIVATE_ADDRESS, f"{_shown(target)}: not a public address")
        return target.with_fragment(None)

    def _redirected(self, source: URL, locations: list[str]) -> URL:
        """Where a redirect leads, if it may be followed (RFC 9110 section 15.4)."""
        if len(locations) != 1:
            raise IssuerFault(Reason.REDIRECT, f"{_shown(source)} redirects with {len(locations)} Location fields")
        try:
            target = source.join(URL(locations[0]))
        except ValueError as error:
            raise IssuerFault(Reason.REDIRECT, f"{_shown(source)} redirects to what is no URL") from error
        if target.scheme not in _PORTS or (source.scheme == "https" and target.scheme != "https"):
            raise IssuerFault(
                Reason.REDIRECT, f"{_shown(source)} redirects from {source.scheme} to {target.scheme[:20]!r}"
            )
        try:
            return self._checked(str(target))
        except IssuerFault as fault:
            if fault.reason == Reason.BAD_URL:
                raise IssuerFault(Reason.REDIRECT, f"{_shown(source)} redirects to a {fault}") from fault
            raise

    @asynccontextmanager
    async def _opened(
        self, target: URL, etag: str | None, form: Mapping[str, str] | None = None, authorization: str | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request on a connection of its own, its faults named.  ``form``: what is sent, else it is fetched."""
        url, fields, server_name = self._addressed(target)
        fields |= await self._own_fields(target)
        if etag is not None:
            fields["If-None-Match"] = etag
        if authorization is not None:
            fields["Authorization"] = authorization
        context = await self._tls()
        guard = _Guard(anywhere=self._config.proxy is not None or _origin(target)[1] in self._named)
        with _named_faults(target, guard):
            connector = lines.Connector(
                resolver=self._resolver,
                use_dns_cache=False,
                force_close=True,
                ssl=context,
                socket_factory=guard.socket,
            )
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),  # get() bounds it all
            )
            async with session:
                request = session.request(
                    "GET" if form is None else "POST",
                    url,
                    data=form,
                    headers=fields,
                    allow_redirects=False,
                    proxy=self._config.proxy,
                    server_hostname=server_name,
                )
                async with request as answer:
                    yield answer

    def _addressed(self, target: URL) -> tuple[URL, dict[str, str], str | None]:
        """URL to connect to, header fields, and the name in TLS: ``connect_to`` changes the first and nothing else."""
        fields = {
            "Accept": "application/json, application/jwk-set+json",
            "Accept-Encoding": "identity",
            "User-Agent": "bearerd",
        }
        if self._route is None or _origin(target) != self._origin:
            return target, fields, None
        host, port = self._route
        fields["Host"] = target.host_port_subcomponent or ""
        return target.with_host(host).with_port(port), fields, target.raw_host

    async def _own_fields(self, target: URL) -> dict[str, str]:
        """The configured header fields, where they may go."""
        path = self._config.fetch_header_file
        if path is None or _origin(target) not in self._trusted:
            return {}
        return await asyncio.to_thread(headers.read, path)

    async def _tls(self) -> ssl.SSLContext:
        path = self._config.ca_file
        try:
            return await asyncio.to_thread(_tls_context, path, path.stat().st_mtime_ns if path else 0)
        except OSError as error:  # ssl.SSLError is one
            raise IssuerFault(Reason.LOCAL_FILE, f"ca_file {path}: {error.strerror or error}") from error

    async def _read(self, target: URL, answer: aiohttp.ClientResponse, *, conditional: bool) -> Response:
        """The answer's body within the size cap."""
        etag = headers.valid_etag(answer.headers.get("ETag"))
        max_age = headers.freshness(answer.headers)
        if answer.status == 304 and conditional:
            return Response(str(target), b"", True, etag, max_age)
        if answer.status != 200:
            raise IssuerFault(Reason.HTTP_STATUS, f"{_shown(target)} answered {answer.status}", answer.status)
        if headers.encoded(answer.headers):
            raise IssuerFault(
                Reason.CONTENT_TYPE, f"{_shown(target)} answered encoded (Content-Encoding), which was not asked for"
            )
        if not headers.json_like(answer.headers):
            raise IssuerFault(Reason.CONTENT_TYPE, f"{_shown(target)} answered with something other than plain JSON")
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                raise IssuerFault(Reason.TOO_LARGE, f"{_shown(target)} is longer than {self._max_bytes} bytes")
        return Response(str(target), bytes(body), False, etag, max_age)


class _Guard:
    """Makes the sockets of one connection attempt, and refuses to make one for an address that the host may not have."""

    def __init__(self, *, anywhere: bool) -> None:
        self._anywhere = anywhere
        self._opened = False
        self._refused = ""

    @property
    def refused(self) -> str:
        """The refused address, where no other was tried."""
        return "" if self._opened else self._refused

    def socket(self, info: AddrInfoType) -> socket.socket:
        """aiohttp's ``socket_factory``: called with each address right before it is connected to."""
        family, kind, protocol, _, address = info
        if not self._anywhere and not addresses.public(str(address[0])):
            self._refused = str(address[0])
            raise PermissionError(errno.EACCES, "not a public address")
        self._opened = True
        return socket.socket(family, kind, protocol)


@contextmanager
def _named_faults(target: URL, guard: _Guard) -> Iterator[None]:
    """aiohttp's exceptions as IssuerFaults.  Details quote our URL and errno texts, never the answer."""
    where = _shown(target)
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        raise IssuerFault(Reason.DNS, f"{where}: {error.os_error.strerror or 'no such name'}") from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise IssuerFault(Reason.TLS, f"{where}: {_tls_problem(error)}") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise IssuerFault(Reason.PROXY, f"{where}: the proxy: {error.os_error.strerror or 'not reachable'}") from error
    except aiohttp.ClientHttpProxyError as error:
        raise IssuerFault(Reason.PROXY, f"{where}: the proxy answered {error.status}") from error
    except aiohttp.ClientConnectorError as error:
        if guard.refused:
            raise IssuerFault(Reason.PRIVATE_ADDRESS, f"{where} resolves to {guard.refused}") from error
        raise IssuerFault(Reason.CONNECT, f"{where}: {error.os_error.strerror or 'not reachable'}") from error
    except aiohttp.InvalidURL as error:
        raise IssuerFault(Reason.BAD_URL, f"{where}: not a usable URL") from error
    except UnicodeError as error:  # a label that no name can have
        raise IssuerFault(Reason.DNS, f"{where}: not a possible name") from error
    except TimeoutError:
        raise
    except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
        raise IssuerFault(Reason.PROTOCOL, f"{where}: {type(error).__name__}") from error


def _tls_problem(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or type(cause).__name__)


@lru_cache(maxsize=32)
def _tls_context(ca_file: Path | None, _modified: int) -> ssl.SSLContext:
    """Certificates checked against ``ca_file`` alone, else the system's; built anew when the file has changed."""
    if ca_file is not None:
        files.opened(ca_file).close()  # OpenSSL would wait for somebody to write into a FIFO
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # not what the machine's OpenSSL takes for enough
    return context


def _origin(url: URL) -> Origin:
    """Scheme, host and port of an absolute http(s) URL.  Raises ValueError."""
    if url.scheme not in _PORTS or url.port is None or not _HOST.fullmatch(url.raw_host or ""):
        raise ValueError("not an absolute http or https URL")
    assert url.raw_host is not None  # noqa: S101 - tells mypy what the pattern has seen to
    return url.scheme, _host(url.raw_host), url.port


def _maybe_origin(url: str | None) -> Origin | None:
    try:
        return _origin(URL(url)) if url else None
    except ValueError:
        return None


def _host(name: str) -> str:
    return name.lower().rstrip(".")


def _host_port(text: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port``.  Raises IssuerFault."""
    try:
        url = URL(f"tcp://{text}")
        if url.raw_host and url.explicit_port and url.raw_path in ("", "/"):
            return url.raw_host, url.explicit_port
    except ValueError:
        pass
    raise IssuerFault(Reason.BAD_URL, f"connect_to is not host:port: {text[:200]!r}")


def _named_hosts(issuer: Issuer) -> frozenset[str]:
    """The hosts that the configuration names: these may have private addresses."""
    origins = map(_maybe_origin, (issuer.issuer, issuer.jwks_uri, issuer.proxy))
    hosts = {origin[1] for origin in origins if origin is not None}
    return frozenset(hosts | {_host(_host_port(issuer.connect_to)[0])} if issuer.connect_to else hosts)


def _certainly_private(host: str) -> bool:
    """Whether a host is no public one whatever a resolver says (a proxy would do the resolving)."""
    last = host.rpartition(".")[2]
    if addresses.literal(host):
        return not addresses.public(host)
    # "127.1", "0x7f000001" and "2130706433" are addresses to many resolvers; no name ends in a number.
    return last == "localhost" or last.isdigit() or last.startswith("0x")


def _shown(url: URL) -> str:
    """A URL for a log line: without query, bounded."""
    return str(url.with_query(None).with_user(None) if url.raw_host else url.with_query(None))[:200]
