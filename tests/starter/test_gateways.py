"""The gateways' files of a starting configuration: the examples, with other addresses where theirs stood."""

from __future__ import annotations

from pathlib import Path

import pytest

from bearerd.starter import gateways
from bearerd.starter.gateways import GATEWAYS
from bearerd.starter.wishes import BEARERD, ISSUER, UPSTREAM, Endpoint, Wishes

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NO_GATEWAYS = {
    "demo",
    "upstream",
    "python",
    "mcp",
    "compose",
    "kubernetes",
}  # the last two are of containers: other files, other addresses


def usual(name: str) -> Wishes:
    listens = GATEWAYS[name].listens
    return Wishes(ISSUER, f"http://{listens}/", listens, BEARERD, UPSTREAM)


def other(name: str, host: str = "app.internal") -> Wishes:
    return Wishes(ISSUER, "http://x/", Endpoint("10.0.0.7", 4443), Endpoint("127.0.0.2", 7100), Endpoint(host, 7200))


def test_every_example_of_a_gateway_is_known() -> None:
    """Whoever adds an example adds its row to ``bearerd.starter.gateways.GATEWAYS``: then ``bearerd init`` has it."""
    assert (
        set(GATEWAYS)
        == {folder.name for folder in EXAMPLES.iterdir() if (folder / "bearerd.toml").exists()} - NO_GATEWAYS
    )


@pytest.mark.parametrize("name", GATEWAYS)
def test_without_wishes_it_is_the_tested_example(name: str) -> None:
    for file, text in gateways.written(name, usual(name)).items():
        lines = zip(text.splitlines(), (EXAMPLES / name / file).read_text().splitlines(), strict=True)
        assert [ours for ours, theirs in lines if ours != theirs and "Guide:" not in ours] == []


@pytest.mark.parametrize("name", GATEWAYS)
def test_no_address_of_the_example_is_left(name: str) -> None:
    told = "\n".join(gateways.written(name, other(name)).values())
    for port in (str(GATEWAYS[name].port), "9180", "9183", "9000"):
        assert port not in told
    for port in ("4443", "7100", "7200"):
        assert port in told
    assert "app.internal" in told
    assert "10.0.0.7" in told


def test_a_file_that_no_longer_has_the_line_is_not_handed_out_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "example", lambda *_: "something else")
    with pytest.raises(LookupError):
        gateways.written("nginx", other("nginx"))
