"""Key sets on disk: whole or not at all, and believed only where nobody else could have written them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import jose

from bearerd.config import model
from bearerd.errors import IssuerFault
from bearerd.issuers import disk, keyset, place
from bearerd.issuers.keyset import KeySet, Origin, Validators
from bearerd.jws import keys
from bearerd.limits import Limits
from bearerd.store.seal import Seal

ISS = "https://auth.test"
URI = f"{ISS}/jwks"
LIMITS = Limits()
DOCUMENT = json.dumps({"keys": [jose.jwk("P-256", kid="a\u00e4\u20ac")]}, ensure_ascii=False).encode()


def key_set(validators: Validators | None = None) -> KeySet:
    return keyset.read(
        DOCUMENT, Origin.NETWORK, validators or Validators(URI, '"v1"', 1000.0, 1060.0), ("ES256",), LIMITS
    )


def issuer(**settings: Any) -> model.Issuer:
    return model.Issuer(**({"issuer": ISS, "name": "test"} | settings))


def save(folder: Path, validators: Validators | None = None, **settings: Any) -> None:
    disk.save(folder, ISS, key_set(validators), place.of(issuer(**settings)))


def load(folder: Path, wall: float = 1500.0, **settings: Any) -> KeySet | None:
    return disk.load(folder, issuer(**settings), LIMITS, wall)


def rewrite(folder: Path, **members: Any) -> None:
    path = disk.path_of(folder, ISS)
    record = {**json.loads(path.read_bytes()), **members}
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not ...}))


def test_what_was_saved_comes_back_with_its_validators(tmp_path: Path) -> None:
    save(tmp_path)
    found = load(tmp_path)
    assert found is not None
    assert found.origin is Origin.DISK
    assert (found.validators, found.hash, found.document) == (key_set().validators, key_set().hash, DOCUMENT)


def test_the_file_is_for_its_owner_only_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    save(tmp_path)
    save(tmp_path)
    (path,) = (tmp_path / "keysets").iterdir()
    assert path == disk.path_of(tmp_path, ISS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0


def test_no_issuer_can_choose_the_files_name(tmp_path: Path) -> None:
    for issuer in ("https://a.test/../../etc/passwd", "a\0b", "x" * 10_000):
        assert disk.path_of(tmp_path, issuer).parent == tmp_path / "keysets"


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    before = disk.path_of(tmp_path, ISS).read_bytes()

    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, Validators(URI, None, 2000.0, 2060.0))
    assert [path.read_bytes() for path in (tmp_path / "keysets").iterdir()] == [before]


def test_a_secret_is_never_saved(tmp_path: Path) -> None:
    secret = keyset.of_secret(keys.from_secret(bytes(32)), Validators(None, None, 1000.0, 1060.0))
    with pytest.raises(ValueError, match="secret"):
        disk.save(tmp_path, ISS, secret, "anywhere")


def test_nothing_saved_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) is None


@pytest.mark.parametrize(
    "members",
    [
        {"version": 2},
        {"issuer": "https://other.test"},
        {"place": ...},
        {"document": 1},
        {"document": ...},
        {"fetched_at": ...},
        {"fetched_at": "soon"},
        {"fetched_at": -5},
        {"expires_at": 900},
        {"expires_at": None},
        {"etag": 1},
        {"jwks_uri": 1},
        {"document": "{}"},
        {"document": '{"keys": []}'},
        {"document": json.dumps({"keys": [jose.jwk("oct", kid="a")]})},
    ],
)
def test_a_record_that_is_not_what_was_written_is_a_fault(tmp_path: Path, members: dict[str, Any]) -> None:
    save(tmp_path)
    rewrite(tmp_path, **members)
    with pytest.raises(IssuerFault):
        load(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b" " * 2_000_000])
def test_a_file_that_is_no_record_is_a_fault(tmp_path: Path, text: bytes) -> None:
    save(tmp_path)
    disk.path_of(tmp_path, ISS).write_bytes(text)
    with pytest.raises(IssuerFault) as caught:
        load(tmp_path)
    assert caught.value.reason == "local_file"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_could_have_written_is_not_read(tmp_path: Path, mode: int) -> None:
    save(tmp_path)
    disk.path_of(tmp_path, ISS).chmod(mode)
    with pytest.raises(IssuerFault, match="only this user can write"):
        load(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    os.chown(disk.path_of(tmp_path, ISS), 12345, 12345)
    with pytest.raises(IssuerFault, match="only this user can write"):
        load(tmp_path)


def test_neither_a_link_nor_a_pipe_nor_a_folder_is_followed(tmp_path: Path) -> None:
    save(tmp_path)
    path = disk.path_of(tmp_path, ISS)
    path.rename(tmp_path / "elsewhere")
    for make in (lambda: path.symlink_to(tmp_path / "elsewhere"), lambda: os.mkfifo(path), path.mkdir):
        make()
        with pytest.raises(IssuerFault):
            load(tmp_path)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


def test_a_stamp_in_the_future_counts_as_now(tmp_path: Path) -> None:
    save(tmp_path)
    found = load(tmp_path, wall=500.0)
    assert found is not None
    assert (found.fetched_at, found.expires_at) == (500.0, 560.0)


def test_a_kept_set_is_not_fresh_for_longer_than_key_set_refresh(tmp_path: Path) -> None:
    save(tmp_path)
    rewrite(tmp_path, expires_at=1e12)
    found = load(tmp_path, key_set_refresh=30.0)
    assert found is not None
    assert found.expires_at == 1030.0


def test_keys_are_kept_for_the_place_that_they_came_from(tmp_path: Path) -> None:
    save(tmp_path)
    assert load(tmp_path) is not None
    assert load(tmp_path, jwks_uri=URI) is None
    save(tmp_path, jwks_uri=URI)
    assert load(tmp_path, jwks_uri=URI) is not None
    assert load(tmp_path) is None
    assert len(list((tmp_path / "keysets").iterdir())) == 1  # the last place's


def test_a_record_that_contradicts_its_place_is_not_used(tmp_path: Path) -> None:
    save(tmp_path, jwks_uri=URI)
    rewrite(tmp_path, jwks_uri=f"{URI}/other")
    assert load(tmp_path, jwks_uri=URI) is None
    save(tmp_path)
    for uri in ("http://auth.test/jwks", None):
        rewrite(tmp_path, jwks_uri=uri)
        assert load(tmp_path) is None


def test_an_entity_tag_that_cannot_be_sent_is_forgotten(tmp_path: Path) -> None:
    save(tmp_path)
    rewrite(tmp_path, etag='"a"\r\nX-Evil: yes')
    found = load(tmp_path)
    assert found is not None
    assert found.validators.etag is None


# ---- with a key


SEAL = Seal("fleet", b"k" * 32)


def sealed(folder: Path, seal: Seal | None = SEAL) -> KeySet | None:
    return disk.load(folder, issuer(), LIMITS, 1500.0, seal)


def test_what_was_saved_with_a_key_comes_back_with_it(tmp_path: Path) -> None:
    disk.save(tmp_path, ISS, key_set(), place.of(issuer()), SEAL)
    for seal in (SEAL, None, Seal("fleet", None)):  # who has no key cannot ask for one
        found = sealed(tmp_path, seal)
        assert found is not None
        assert found.hash == key_set().hash


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_with_a_key_any_byte_changed_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    disk.save(tmp_path, ISS, key_set(), place.of(issuer()), SEAL)
    path = disk.path_of(tmp_path, ISS)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    with pytest.raises(IssuerFault, match="forged"):
        sealed(tmp_path)


def test_with_a_key_a_set_without_a_seal_or_with_another_s_is_forged(tmp_path: Path) -> None:
    for seal in (None, Seal("fleet", b"x" * 32), Seal("other", b"k" * 32)):
        disk.save(tmp_path, ISS, key_set(), place.of(issuer()), seal)
        with pytest.raises(IssuerFault, match="forged"):
            sealed(tmp_path)


def test_a_sealed_set_is_that_of_its_issuer_and_of_no_other(tmp_path: Path) -> None:
    other = issuer(issuer="https://other.test")
    disk.save(tmp_path, ISS, key_set(), place.of(issuer()), SEAL)
    disk.path_of(tmp_path, ISS).rename(disk.path_of(tmp_path, other.issuer))
    with pytest.raises(IssuerFault, match="not a saved key set"):
        disk.load(tmp_path, other, LIMITS, 1500.0, SEAL)
