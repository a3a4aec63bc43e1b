"""A trick: a request, as data."""

from __future__ import annotations

from dataclasses import dataclass

from bearerd.tricks.model import Target
from bearerd.tricks.writing import fill, usual


@dataclass(frozen=True, slots=True)
class Trick:
    """A request, as data: templates in latin-1, which ``request`` fills in (``writing.py`` lists what stands in braces)."""

    name: str  # unique: "climbs/dots-encoded"
    tries: str  # in one sentence, what it hopes for
    target: str = "{open}"
    method: str = "GET"
    version: str = " HTTP/1.1"
    lines: tuple[str, ...] = ()  # header lines, behind Host and before what every request has
    host: str | None = "Host: {host}"  # None: no such line
    credential: bool = True  # whether the token is shown as usual; False: the lines say what they say of it
    keep: bool = False  # without ``Connection: close``: several requests, or a Connection line of its own
    body: str = ""
    raw: str | None = None  # the whole request, instead of all of the above
    inert: str = ""  # why no weakened configuration that we know falls for it; empty: some do

    @property
    def group(self) -> str:
        """The subject: the part of the name before the slash."""
        return self.name.partition("/")[0]

    def request(self, target: Target) -> bytes:
        """The very bytes to send."""
        if self.raw is not None:
            return fill(self.raw, target).encode("latin-1")
        body = fill(self.body, target)
        lines = [f"{self.method} {self.target}{self.version}"]
        lines += [self.host] if self.host is not None else []
        lines += [line.replace("{length}", str(len(body))) for line in self.lines]
        lines += usual(target, shown=self.credential, keep=self.keep)
        return (fill("\r\n".join([*lines, "", ""]), target) + body).encode("latin-1")
