"""``bearerd serve``."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import click

from bearerd.cli.output import Failure, config_option


@click.command()
@config_option
def command(path: str) -> None:
    """Serve decisions until SIGTERM or SIGINT.

    SIGHUP, or a change of FILE, reloads the configuration; SIGUSR2 replaces the workers one by one.  Logs go to standard
    error, a JSON object a line.
    """
    gc.disable()  # as in a worker: until the start is over
    for early in (signal.SIGHUP, signal.SIGUSR2):  # which would end us; what they ask for is about to be done
        signal.signal(early, signal.SIG_IGN)
    import uvloop

    from bearerd import log
    from bearerd.serve import process, reload
    from bearerd.serve.errors import NotStarted
    from bearerd.serve.supervisor import Supervisor

    process.hold_standard_streams()
    source = reload.read(Path(path), os.environ)
    if source.config.server.profile == "production":
        process.forbid_dumps()
    log.setup()
    try:
        uvloop.run(Supervisor(source, os.environ).run())
    except NotStarted as error:
        log.close()
        raise Failure(str(error)) from None
    finally:
        log.close()
