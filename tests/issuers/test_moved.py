"""Keys do not outlive the trust that brought them: neither a restart nor a reload nor a peer brings them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.certificates import authority
from support.issuer import JWKS, Answer, ScriptedIssuer, until
from support.keepers import Fleet, Worker, configured, running, table

from bearerd.decision import Pending
from bearerd.issuers.keyset import Origin
from bearerd.jws.keys import Key

KEPT = ["store", "disk"]


def keeping(kept: str, folder: Path) -> dict[str, Any]:
    """Where a worker keeps its key sets."""
    return {"fleet": Fleet()} if kept == "store" else {"data_dir": folder / "data"}


def bundle(folder: Path, *names: str) -> Path:
    """A file of authorities, always the same one."""
    path = folder / "bundle.pem"
    path.write_bytes(b"".join(authority(name).write(folder, "one.pem").read_bytes() for name in names))
    return path


@pytest.mark.parametrize("kept", KEPT)
async def test_taking_an_authority_out_of_the_bundle_takes_its_keys_out_of_a_restart(kept: str, tmp_path: Path) -> None:
    keep = keeping(kept, tmp_path)
    tls = authority("betrayed").server(tmp_path, "127.0.0.1")
    async with ScriptedIssuer(tls=tls) as server:
        settings = table(server, ca_file=bundle(tmp_path, "trusted", "betrayed"))
        assert isinstance(await Worker(settings, **keep).resolve(server.issuer), Key)
        again = Worker(settings, **keep)
        await again.refresher.load()
        assert isinstance(again.select(server.issuer), Key)
        bundle(tmp_path, "trusted")
        after = Worker(settings, **keep)
        await after.refresher.load()
        assert isinstance(after.select(server.issuer), Pending)
        assert not isinstance(await after.resolve(server.issuer), Key)
        assert "tls" in after.witness.reasons


@pytest.mark.parametrize("kept", KEPT)
async def test_a_moved_jwks_uri_is_not_answered_with_what_the_old_one_said(kept: str, tmp_path: Path) -> None:
    keep = keeping(kept, tmp_path)
    async with ScriptedIssuer() as server:
        server.always("/new", Answer(status=503))
        worker = Worker(table(server), **keep)
        assert isinstance(await worker.resolve(server.issuer), Key)
        moved = table(server, jwks_uri=f"{server.url}/new")
        async with running(worker):
            worker.issuers = worker.issuers.reloaded(configured(moved))
            worker.refresher.replace(worker.issuers)
            await until(lambda: "http_status" in worker.witness.reasons)  # it looked at what is kept before
            assert worker.only().key_set is None
        restarted = Worker(moved, **keep)
        await restarted.refresher.load()
        assert restarted.only().key_set is None
        # The same URI, once discovered and once written down by the operator, is trusted by different words.
        written = Worker(table(server, jwks_uri=f"{server.url}{JWKS}"), **keep)
        await written.refresher.load()
        assert written.only().key_set is None


async def test_over_http_another_proxy_or_route_is_another_place(tmp_path: Path) -> None:
    async with ScriptedIssuer() as server:
        assert isinstance(await Worker(table(server), data_dir=tmp_path).resolve(server.issuer), Key)
        for change in ({"proxy": "http://127.0.0.1:1"}, {"connect_to": "127.0.0.1:1"}):
            worker = Worker(table(server, **change), data_dir=tmp_path)
            await worker.refresher.load()
            assert worker.only().key_set is None


async def test_a_peer_of_another_place_is_not_followed(tmp_path: Path) -> None:
    fleet = Fleet()
    tls = authority("betrayed").server(tmp_path, "127.0.0.1")
    async with ScriptedIssuer(tls=tls) as server:
        path = authority("betrayed").write(tmp_path, "here.pem")
        wary = Worker(table(server, ca_file=authority("trusted").write(tmp_path, "trusted.pem")), fleet=fleet)
        trusting = Worker(table(server, ca_file=path, key_set_refresh=0.05), fleet=fleet)
        like = Worker(table(server, ca_file=authority("betrayed").write(tmp_path, "elsewhere.pem")), fleet=fleet)
        async with running(wary, trusting):
            await until(lambda: len(trusting.witness.hashes) > 3)
            await wary.refresher.load()
            assert wary.only().key_set is None
        await like.refresher.load()
        assert like.only().key_set is not None
        assert like.only().key_set.origin is Origin.STORE


async def test_a_proxy_of_its_own_keeps_no_host_from_what_its_fleet_has_over_tls(tmp_path: Path) -> None:
    fleet = Fleet()
    tls = authority("trusted").server(tmp_path, "127.0.0.1")
    async with ScriptedIssuer(tls=tls) as server:
        path = bundle(tmp_path, "trusted")
        await Worker(table(server, ca_file=path), fleet=fleet).resolve(server.issuer)
        other = Worker(table(server, ca_file=path, proxy="http://127.0.0.1:1", connect_to="127.0.0.1:1"), fleet=fleet)
        await other.refresher.load()
        assert isinstance(other.select(server.issuer), Key)


async def test_a_bundle_that_changes_between_reloads_labels_what_is_fetched_with_it(tmp_path: Path) -> None:
    fleet = Fleet()
    tls = authority("trusted").server(tmp_path, "127.0.0.1")
    async with ScriptedIssuer(tls=tls) as server:
        settings = table(server, ca_file=bundle(tmp_path, "trusted"), key_set_refresh=0.05)
        worker = Worker(settings, fleet=fleet)
        await worker.resolve(server.issuer)
        bundle(tmp_path, "trusted", "added")
        async with running(worker):
            await until(lambda: len(fleet.documents) == 2)
        late = Worker(settings, fleet=fleet)
        await late.refresher.load()
        assert isinstance(late.select(server.issuer), Key)
