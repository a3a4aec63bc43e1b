"""The keys that identities are signed with: read from every form of a file, kept by content, shown to nobody."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk as joserfc_jwk
from support import identity, jose

from bearerd.config import effective, identity_keys, load
from bearerd.config.model import Config, Signing
from bearerd.errors import ConfigError
from bearerd.serve import hiring

FILE = """
[identity]
issuer = "https://bearerd.example"
key_files = {files}
[[issuer]]
issuer = "https://a.example"
[resource.api]
identifier = "https://api.example"
forward_identity = "jwt"
"""


def private_jwk(kind: str, number: int = 0) -> dict[str, Any]:
    family = {"RSA": "RSA", "P-256": "EC", "Ed25519": "OKP"}[kind]
    return joserfc_jwk.import_key(identity.pem(kind, number), family).as_dict(private=True)  # type: ignore[arg-type]


def written(tmp_path: Path, **contents: str) -> Path:
    """A configuration with these key files, in this order."""
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "bearerd.toml"
    file.write_text(FILE.format(files=json.dumps(list(contents))))
    return file


def kids(config: Config) -> list[str]:
    assert config.identity is not None
    _, published = identity_keys.load(config.identity.keys)
    return [key["kid"] for key in published]


def kid(kind: str = "P-256", number: int = 0) -> str:
    return joserfc_jwk.import_key(jose.jwk(kind, number)).thumbprint()


@pytest.mark.parametrize("kind", ["P-256", "Ed25519", "RSA"])
def test_pem_jwk_and_jwk_set_are_the_same_key(tmp_path: Path, kind: str) -> None:
    one = private_jwk(kind)
    for content in (identity.pem(kind), json.dumps(one), json.dumps({"keys": [one]})):
        config = load.load(written(tmp_path, key=content), {})
        assert kids(config) == [kid(kind)]
        assert config.identity is not None
        assert config.identity.keys == (identity.pem(kind),)


def test_the_first_signs_and_all_are_published_in_order(tmp_path: Path) -> None:
    several = json.dumps({"keys": [private_jwk("RSA"), jose.jwk("Ed25519", 3)]})
    config = load.load(written(tmp_path, a=identity.pem(), b=several, c=identity.public_pem("P-256", 5)), {})
    assert config.identity is not None
    signing, published = identity_keys.load(config.identity.keys)
    assert signing.kid == kid()
    assert [key["kid"] for key in published] == [kid(), kid("RSA"), kid("Ed25519", 3), kid("P-256", 5)]
    assert [key["alg"] for key in published] == ["ES256", "RS256", "EdDSA", "ES256"]


def test_a_key_that_openssl_has_made_as_the_page_says_is_one(tmp_path: Path) -> None:
    file = tmp_path / "new.pem"
    command = identity_keys.NEW_KEY.replace("FILE", str(file)).split()
    subprocess.run(command, check=True, capture_output=True)
    (found,) = identity_keys.read(file)
    assert found.private
    assert "PRIVATE" not in repr(found)


def test_a_jwk_s_own_name_is_not_taken(tmp_path: Path) -> None:
    content = json.dumps(private_jwk("P-256") | {"kid": "mine", "use": "sig", "key_ops": ["sign"]})
    assert kids(load.load(written(tmp_path, key=content), {})) == [kid()]


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"keys": []}',
        '{"keys": {}}',
        '{"keys": ["x"]}',
        '{"keys": [{}]}',
        '{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"}',
        '{"keys": [], "keys": []}',
        '{"keys"',
        "[" * 3000,
        "{" * 3000,
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ],
)
def test_what_holds_no_key_is_told_without_a_word_of_it(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load.load(written(tmp_path, key=content), {})
    (problem,) = refused.value.problems
    assert problem[0] == "identity.key_files[0]"
    assert "c2Vj" not in str(refused.value)


def test_of_two_keys_in_one_pem_file_neither_is_passed_over_in_silence(tmp_path: Path) -> None:
    """Which one signs would be a guess, and the other would not be published: rotated away before its time."""
    with pytest.raises(ConfigError, match="holds 2 keys in PEM"):
        load.load(written(tmp_path, key=identity.pem("P-256") + identity.pem("P-256", 1)), {})


def test_no_more_than_sixteen_keys_are_published(tmp_path: Path) -> None:
    many = json.dumps({"keys": [jose.jwk("Ed25519", number) for number in range(identity_keys.MOST_KEYS)]})
    with pytest.raises(ConfigError, match="17 keys, more than 16"):
        load.load(written(tmp_path, key=identity.pem(), more=many), {})


def test_what_is_in_effect_names_the_files_and_shows_no_key(tmp_path: Path) -> None:
    file = written(tmp_path, key=identity.pem())
    config = load.load(file, {})
    shown = effective.as_toml(effective.effective(config))
    assert f'[identity]\nissuer = "https://bearerd.example"\nkey_files = ["{tmp_path}/key"]\nlifetime = "1m"\n' in shown
    assert "PRIVATE" not in shown + repr(config)
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load.load(again, {}) == config


def test_a_worker_is_given_the_keys_that_were_read_whatever_has_become_of_the_files(tmp_path: Path) -> None:
    config = load.load(written(tmp_path, key=identity.pem()), {})
    (tmp_path / "key").unlink()
    given = Config.model_validate(hiring.dump(config))
    assert given == config
    assert isinstance(given.identity, Signing)
    assert kids(given) == [kid()]


def test_a_key_for_everybody_to_read_and_keys_that_nobody_needs_are_warned_of(tmp_path: Path) -> None:
    file = written(tmp_path, key=identity.pem())
    assert not [line for line in effective.warnings(load.load(file, {})) if line.startswith("identity")]
    (tmp_path / "key").chmod(0o644)
    assert f"identity.key_files[0]: every local user may read {tmp_path}/key" in effective.warnings(load.load(file, {}))
    file.write_text(file.read_text().replace('forward_identity = "jwt"', ""))
    assert any(line.startswith("identity: no resource") for line in effective.warnings(load.load(file, {})))


def test_a_key_that_every_local_user_may_write_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, key=identity.pem())
    (tmp_path / "key").chmod(0o602)
    with pytest.raises(ConfigError, match="every local user may write"):
        load.load(file, {})


def test_two_issuers_need_no_header_that_names_them_where_the_signed_identity_does(tmp_path: Path) -> None:
    file = written(tmp_path, key=identity.pem())
    more = '[[issuer]]\nissuer = "https://b.example"\n[resource.api.identity]\nX-Auth-Subject = "sub"\n'
    file.write_text(file.read_text() + more)
    assert load.load(file, {}).resource["api"].signed
    file.write_text(file.read_text().replace('"jwt"', '"both"'))
    with pytest.raises(ConfigError, match="no header says which one spoke"):
        load.load(file, {})
