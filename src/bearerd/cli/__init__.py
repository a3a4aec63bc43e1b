"""The command line: one file a command, imported when it is called for.

Exit codes: 0 = yes, done; 1 = refused, or findings; 2 = usage, or nobody could be asked.  What a command finds goes to
standard output, what went wrong to standard error.  A token or secret is never an argument: other users see those.
"""

from __future__ import annotations

import gc
import importlib
import io
import sys
from typing import Final, NoReturn

import click

from bearerd import __version__
from bearerd.cli import output
from bearerd.cli.output import Failure
from bearerd.errors import BearerdError, ConfigError

COMMANDS: Final = {
    "init": "Print a starting configuration for bearerd and a gateway.",
    "serve": "Serve decisions.",
    "check": "Validate a configuration; show what it amounts to and what it opens.",
    "explain": "Judge a token step by step, or tell why a request was refused.",
    "revoke": "Revoke a token, subject, session, client, key or issuer; or lift that.",
    "apikey": "Create, list, show, rotate and revoke API keys.",
    "mcp": "Review what an MCP server's tools say of themselves.",
    "approvals": "List, show, approve or deny calls that wait for a human.",
    "audit": "Verify, show and search audit records.",
    "doctor": "Examine issuers, store and a live gateway; say what is wrong and what helps.",
    "health": "Ask a running bearerd whether it is ready.",
    "bench": "Load a running bearerd with one question, and tell what an answer takes.",
    "issuer": "Run the development issuer, or mint a token of it.",
}


class _Lazy(click.Group):
    """Knows its commands by name, and imports one when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"bearerd.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, package_name="bearerd")
def cli() -> None:
    """bearerd decides, once per request, whether a bearer token may do what it asks.

    Exit codes: 0 yes or done, 1 refused or findings, 2 usage or nobody could be asked.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    output.outlive_readers()
    try:
        code = cli.main(arguments, prog_name="bearerd", standalone_mode=False)
        if sys.stdout is not None:  # it was closed when we began
            sys.stdout.flush()
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        code = _show(error)
    except (click.Abort, KeyboardInterrupt):
        code = _say("interrupted", 130)
    except Failure as failure:
        code = _say(str(failure), failure.code)
    except ConfigError as error:
        code = _say(str(error), 2)
    except BearerdError as error:
        code = _say(str(error), 2)
    gc.freeze()  # else all that was imported is looked through for garbage as the process ends
    sys.exit(code or 0)


def _show(error: click.ClickException) -> int:
    """A token given as an argument was seen by others, but is not to be in the log of whatever ran the command as well."""
    from bearerd.log import redact

    said = io.StringIO()
    error.show(said)
    click.echo("\n".join(map(redact, said.getvalue().splitlines())), err=True)
    return 2


def _say(problem: str, code: int) -> int:
    lines = problem.splitlines() or [problem]
    click.echo("\n".join(f"bearerd: {line}" for line in lines), err=True)
    return code
