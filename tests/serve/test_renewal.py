"""Renewal: new files are taken whole or not at all, and what is known of them is told."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Issued, authority

from bearerd import metrics
from bearerd.config.model import Server, Tls
from bearerd.config.papers import Papers
from bearerd.errors import ConfigError
from bearerd.serve import renewal as module
from bearerd.serve.renewal import Renewal


class Crew:
    """What would be handed to the workers."""

    def __init__(self) -> None:
        self.taken: list[Papers | None] = []

    async def take(self, papers: Papers | None) -> None:
        self.taken.append(papers)


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return issue(tmp_path)


def issue(folder: Path, **more: Any) -> Issued:
    return authority().issue(folder, "bearerd.test", stem="server", **more)


def server(issued: Issued | None) -> Server:
    files = None if issued is None else Tls(certificate_file=issued.certificate, key_file=issued.key)
    return Server(profile="development", tls=files)


def told(own: metrics.Metrics) -> tuple[float | None, float | None]:
    """When the certificate ends, and whether the last reload was good."""
    found = metrics.gather([own.buffer])
    expiry, good = (found.get((name,)) for name in (module.EXPIRY, module.SUCCESSFUL))
    return (expiry and expiry[0], good and good[0])


async def test_new_files_are_handed_out_once(issued: Issued, tmp_path: Path) -> None:
    own, crew = metrics.Metrics(), Crew()
    subject = Renewal(server(issued), own)
    await subject.renew(crew.take)
    assert crew.taken == []  # nothing has changed
    old = subject.papers
    issue(tmp_path, days=50)
    await subject.renew(crew.take)
    await subject.renew(crew.take)
    assert crew.taken == [subject.papers] != [old]
    assert subject.papers is not None
    assert told(own) == (subject.papers.ends, 1.0)
    assert subject.warnings() == []


@pytest.mark.parametrize("fault", ["gone", "broken", "another's", "expired"])
async def test_files_that_cannot_be_used_leave_the_old_ones_in_use_and_are_told_once(
    issued: Issued, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    own, crew = metrics.Metrics(), Crew()
    subject = Renewal(server(issued), own)
    old = subject.papers
    assert old is not None
    if fault == "gone":
        issued.certificate.unlink()
    elif fault == "broken":
        issued.certificate.write_bytes(issued.certificate.read_bytes()[:100])
    elif fault == "another's":
        issued.key.write_bytes(authority().issue(tmp_path, "other.test").key.read_bytes())
    else:
        issue(tmp_path, days=-1)
    for _ in range(3):
        await subject.renew(crew.take)
    assert (crew.taken, subject.papers) == ([], old)
    assert told(own) == (old.ends, 0.0)
    assert subject.problem is not None
    assert str(tmp_path) in subject.problem
    assert subject.warnings() == ["certificate_not_reloaded"]
    assert len([one for one in caplog.records if "is not taken into use" in one.message]) == 1
    issue(tmp_path)
    await subject.renew(crew.take)
    assert len(crew.taken) == 1
    assert (subject.problem, told(own)[1], subject.warnings()) == (None, 1.0, [])


async def test_files_that_change_while_they_are_read_are_looked_at_again_later(
    issued: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = Crew()
    subject = Renewal(server(issued), metrics.Metrics())
    read = subject.read

    def interrupted(where: Server) -> Papers | None:
        found = read(where)
        issue(tmp_path, days=60)
        return found

    issue(tmp_path, days=50)
    monkeypatch.setattr(subject, "read", interrupted)
    await subject.renew(crew.take)
    assert crew.taken == []
    monkeypatch.setattr(subject, "read", read)
    await subject.renew(crew.take)
    assert len(crew.taken) == 1


def test_the_first_files_must_be_good(issued: Issued) -> None:
    issued.key.unlink()
    with pytest.raises(ConfigError, match="key_file"):
        Renewal(server(issued), metrics.Metrics())


@pytest.mark.parametrize(("days", "warning"), [(13, "certificate_expires_soon"), (-1, "certificate_expired")])
def test_a_certificate_that_ends_is_a_warning(tmp_path: Path, days: float, warning: str) -> None:
    assert Renewal(server(issue(tmp_path, days=days)), metrics.Metrics()).warnings() == [warning]


def test_without_tls_there_is_nothing_to_tell(issued: Issued) -> None:
    own = metrics.Metrics()
    subject = Renewal(server(None), own)
    assert (subject.papers, subject.warnings(), told(own)) == (None, [], (None, None))
    subject.use(server(issued), subject.read(server(issued)))
    assert None not in told(own)
    subject.use(server(None), None)
    assert told(own) == (None, None)


async def test_a_change_is_seen_once_all_files_have_kept_still(
    issued: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    subject, seen = Renewal(server(issued), metrics.Metrics()), asyncio.Event()

    async def changed() -> None:
        seen.set()

    watching = asyncio.create_task(subject.watch(changed))
    await asyncio.sleep(0.1)
    assert not seen.is_set()
    issue(tmp_path)
    await asyncio.wait_for(seen.wait(), 30)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
