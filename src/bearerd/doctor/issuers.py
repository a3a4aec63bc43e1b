"""An issuer as bearerd meets it: the same fetch, by the same rules, and then a closer look at what came."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yarl import URL

from bearerd.config.units import spelled
from bearerd.doctor import certificates, keys
from bearerd.doctor.clocks import of_date
from bearerd.doctor.finding import Finding, Notebook
from bearerd.doctor.remedies import REMEDY
from bearerd.errors import IssuerFault
from bearerd.issuers import discovery, faults, headers, keyset, local
from bearerd.issuers.fetch import Fetcher
from bearerd.issuers.keyset import SHORTEST_LIFE, Origin, Validators

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import CIMultiDictProxy

    from bearerd.config.model import Issuer
    from bearerd.limits import Limits

_PROPER: Final = frozenset({"application/json", "application/jwk-set+json"})


async def examine(issuers: Iterable[Issuer], limits: Limits) -> list[Finding]:
    """All of them, side by side."""
    found = await asyncio.gather(*(_Visit(issuer, limits).findings() for issuer in issuers))
    return [finding for findings in found for finding in findings]


@dataclass(frozen=True, slots=True)
class Heard:
    """The head of one answer, which was written between two moments (seconds since the epoch)."""

    url: URL
    fields: CIMultiDictProxy[str]
    asked: float
    came: float


class _Visit:
    """One issuer, looked at once."""

    def __init__(self, issuer: Issuer, limits: Limits) -> None:
        self._issuer = issuer
        self._limits = limits
        self._notes = Notebook(f"issuer {issuer.name}")
        self._heard: list[Heard] = []
        self._asked = time.time()
        self._fetcher = Fetcher(issuer, limits.max_key_set_bytes, heard=self._hear)

    def _hear(self, url: URL, status: int, fields: CIMultiDictProxy[str]) -> None:
        self._heard.append(Heard(url, fields, self._asked, time.time()))

    async def findings(self) -> list[Finding]:
        check = "keys"
        try:
            if local.origin_of(self._issuer) is not Origin.NETWORK:
                self._look_at_keys(await asyncio.to_thread(local.read, self._issuer, self._limits, time.time()))
                return self._notes.findings
            check = "discovery"
            uri = await self._where()
            check = "keys"
            await self._look_there(uri)
        except IssuerFault as fault:
            reason = faults.reason_of(fault)
            self._notes.error(check, f"{reason.value}: {fault}", REMEDY[reason])
            self._look_at_clock()
        return self._notes.findings

    async def _where(self) -> str:
        """Where the keys are, by configuration or discovery."""
        named = self._issuer.jwks_uri
        if named is not None:
            self._notes.ok("discovery", f"not needed: jwks_uri is {named}")
            return named
        found = await discovery.discover(self._issuer.issuer, self._fetcher, self._limits)
        self._notes.ok("discovery", f"{self._heard[-1].url} names this very issuer, and {found}")
        return found

    async def _look_there(self, uri: str) -> None:
        self._asked = time.time()
        answer = await self._fetcher.get(uri)
        last = self._heard[-1]
        validators = Validators(uri, answer.etag, last.asked, last.came)
        self._look_at_keys(keyset.read(answer.body, Origin.NETWORK, validators, self._issuer.algorithms, self._limits))
        self._look_at_answer(last, URL(uri))
        self._look_at_clock()
        await self._look_at_certificates()

    def _look_at_keys(self, key_set: keyset.KeySet) -> None:
        if key_set.origin is Origin.SECRET:
            self._notes.ok("keys", f"a shared secret, for {', '.join(sorted(key_set.keys[0].algorithms))}")
        else:
            keys.examine(key_set, self._issuer, self._notes)

    def _look_at_answer(self, last: Heard, asked: URL) -> None:
        kind = last.fields.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in _PROPER:
            found = f"the key set comes as {kind or 'no type at all'}"
            self._notes.note(
                "content_type", found, "application/jwk-set+json or application/json is what stricter clients expect"
            )
        if last.url.with_fragment(None) != asked.with_fragment(None):
            self._notes.note(
                "redirect",
                f"{asked} leads on to {last.url}",
                "name the last place as jwks_uri: each fetch takes the way twice",
            )
        fresh, most = headers.freshness(last.fields), self._issuer.key_set_refresh
        if fresh is None:
            self._notes.note(
                "cache_control", f"no max-age: the keys are asked for each {spelled(most)} (key_set_refresh)"
            )
        elif fresh < SHORTEST_LIFE:
            found = f"max-age leaves {fresh:g} s: the keys are asked for each {SHORTEST_LIFE:g} s"
            self._notes.note("cache_control", found, "a max-age of some minutes spares the issuer most of the fetches")
        else:
            self._notes.ok("cache_control", f"the keys are asked for each {spelled(min(fresh, most))}")

    def _look_at_clock(self) -> None:
        """By the newest answer: it is the issuer's clock that ``iat`` and ``exp`` are written by."""
        if not self._heard:
            return
        last = self._heard[-1]
        lead = of_date(last.fields.get("Date"), last.fields.get("Age"), last.asked, last.came)
        leeway, slack = self._issuer.leeway, self._issuer.cutoff_slack
        if lead is None:
            self._notes.note("clock", "the answer has no Date by which its clock could be told")
        elif lead.ahead > leeway:
            remedy = "set both clocks by NTP: tokens are refused as not yet valid until their time has come"
            self._notes.error("clock", f"{lead}, more than the leeway of {spelled(leeway)}", remedy)
        elif lead.ahead > slack:
            remedy = 'set both clocks by NTP, or raise cutoff_slack: a token issued just before "revoke all of alice" could survive it'
            self._notes.warning("clock", f"{lead}, more than the cutoff_slack of {spelled(slack)}", remedy)
        elif lead.behind > leeway:
            remedy = (
                "set both clocks by NTP: tokens expire that much early, and a login just after a cut-off is refused"
            )
            self._notes.warning("clock", str(lead), remedy)
        else:
            self._notes.ok("clock", str(lead))

    async def _look_at_certificates(self) -> None:
        places = dict.fromkeys(
            (one.url.host or "", one.url.port or 443) for one in self._heard if one.url.scheme == "https"
        )
        for host, port in places:
            where = f"{host}:{port}"
            if self._issuer.proxy is not None:
                certificates.tell(None, where, self._notes)
                continue
            to = self._route() if (host, port) == _address(self._issuer.issuer) else None
            found = await certificates.shown(*(to or (host, port)), host, self._issuer.ca_file)
            certificates.tell(found, where, self._notes)
        if not places:
            said = "the keys come over http: whoever is on the path chooses them, and so mints any token"
            self._notes.note("transport", said, "https; insecure_issuer is for development")

    def _route(self) -> tuple[str, int] | None:
        """``connect_to``, where the issuer's own host is reached."""
        if self._issuer.connect_to is None:
            return None
        host, _, port = self._issuer.connect_to.rpartition(":")
        return host.strip("[]"), int(port)


def _address(url: str) -> tuple[str, int]:
    found = URL(url)
    return found.host or "", found.port or 443
