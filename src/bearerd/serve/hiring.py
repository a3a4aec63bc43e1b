"""Starting a worker process: a fresh interpreter that inherits the sockets, its metrics page, and one end of a channel."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bearerd import metrics
from bearerd.audit.labels import labels
from bearerd.serve.listeners import name_of
from bearerd.serve.orders import Orders
from bearerd.timekeeper import Timekeeper

if TYPE_CHECKING:
    from pathlib import Path

    from bearerd.config.model import Config
    from bearerd.config.papers import Papers
    from bearerd.serve.listeners import Listeners
    from bearerd.serve.page import Page


@dataclass
class Terms:
    """What a worker that starts now is given; the supervisor keeps it up to date."""

    config: Config
    data_dir: Path
    store_is_ours: bool  # nobody knows more than the store: it was started by us and has not been lost since
    papers: Papers | None = None  # of the TLS listeners
    store_url: str | None = None  # of the embedded store: elsewhere each time that it is started
    time: Timekeeper = field(default_factory=Timekeeper)  # what the clocks have said, for those that start late
    session_secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)  # of the approvals page

    def page_size(self) -> int:
        """Bytes of a metrics page for this configuration."""
        return metrics.page_size(labels(self.config))

    def orders(self, slot: int, page: Page, listeners: Listeners) -> dict[str, Any]:
        """What the supervisor sends first."""
        config = self.config if self.store_url is None else self.config.with_store(self.store_url)
        return Orders(
            slot=slot,
            config=dump(config),
            data_dir=str(self.data_dir),
            store_is_ours=self.store_is_ours,
            clocks=self.time.seen(),
            page=page.descriptor,
            slots=[[sock.fileno() for sock in sockets] for sockets in listeners.slots],
            unix=[sock.fileno() for sock in listeners.unix],
            dialects=[*listeners.dialects.items()],
            grpc=[name_of(sock) for sock in listeners.reserved],
            approvals=[sock.fileno() for sock in listeners.approvals],
            session_secret=self.session_secret if listeners.approvals else "",
            papers=None if self.papers is None else self.papers.as_dict(),
        ).as_dict()


def dump(config: Config) -> dict[str, Any]:
    """A configuration as it goes over a channel; ``Config.model_validate`` reads it back."""
    return config.model_dump(mode="json", by_alias=True)


def launch(page: Page, listeners: Listeners, profile: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process, and our end of its channel.  Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        # Not fork without exec: a fork copies every secret and every lock of this process.  -P: nothing is imported
        # from the folder that bearerd happens to be started in.
        command = [sys.executable, "-P", "-m", "bearerd.serve", str(theirs.fileno()), str(os.getpid()), profile]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                command,
                stdin=subprocess.DEVNULL,
                env=environment(),
                pass_fds=(theirs.fileno(), page.descriptor, *listeners.descriptors()),
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def environment() -> dict[str, str]:
    """Ours without the configuration in it, which may hold a password: a worker is given what it needs over the channel.

    gRPC's library writes to standard error what it likes, and with GRPC_TRACE every header: it is told to be quiet.
    """
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith("BEARERD_") and name != "GRPC_TRACE"
    }
    return {**ours, "GRPC_VERBOSITY": "NONE"}
