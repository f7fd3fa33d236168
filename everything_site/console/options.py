"""The options of `everything-server run`, and the variables that they set."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from everything_site import exit_codes
from everything_site.conf import OF_THE_APPS, Environment
from everything_site.console.state import VARIABLE

_OURS_ALONE = ("MCP_", "OAUTH_", "CLIENT_ID_METADATA_DOCUMENTS")
"""Prefixes of the variables that only this project has."""
_DAY = 24 * 3600


@dataclass(frozen=True)
class Options:
    """What `run` was asked for."""

    host: str
    port: int | None
    fixtures: bool
    ephemeral: bool
    token: list[str]
    json: bool
    exit_on_eof: bool


def parsed(words: list[str]) -> Options:
    """The options.

    Args:
        words: The arguments after `run`.

    Raises:
        SystemExit: They are wrong, or ask for help.
    """
    parser = argparse.ArgumentParser(
        prog="everything-server run",
        description="Serve everything: applies migrations, creates a first admin account, and starts an "
        "embedded Valkey unless REDIS_URL is set. Ctrl-C ends it. Exits with 3 if the port cannot be used, "
        "4 if Valkey does not start, and 5 if the state cannot be stored.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, help="the port; 0 for any free one (default: PORT, or 3232)")
    parser.add_argument(
        "--fixtures", action="store_true", help="also serve the fixtures of the conformance suite"
    )
    parser.add_argument(
        "--ephemeral",
        action="store_true",
        help="start from nothing in a temporary folder, which is removed at the end, without rate limits for "
        "signing in; of the environment, only MCP_…, OAUTH_… and CLIENT_ID_METADATA_DOCUMENTS count",
    )
    parser.add_argument(
        "--token",
        action="append",
        default=[],
        metavar="NAME",
        help="also print a bearer token of the user NAME, for a day; may be repeated; needs --ephemeral",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON when ready, and everything else to standard error",
    )
    parser.add_argument(
        "--exit-on-eof",
        action="store_true",
        help="end when the standard input ends, with whoever holds it open",
    )
    options = Options(**vars(parser.parse_args(words)))
    if options.token and not options.ephemeral:
        parser.error("--token needs --ephemeral: whoever reads the output could act as that user.")
    return options


def apply(options: Options, folder: Path, process: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables that the server needs, and nothing else if it is to start from nothing.

    Args:
        options: What was asked for.
        folder: Where the state is kept.
        process: The variables of the process.

    Raises:
        SystemExit: There is no free port at this host.
    """
    if options.ephemeral:
        forget_other_settings(process)
    process.update(variables(options, folder, process))


def variables(options: Options, folder: Path, process: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that the server needs.

    Args:
        options: What was asked for.
        folder: Where the state is kept.
        process: The variables of the process.

    Raises:
        SystemExit: There is no free port at this host.
    """
    found = {VARIABLE: str(folder)}
    if options.port is not None:
        found["PORT"] = str(options.port or _free_port(options.host))
    else:
        found["PORT"] = process.get("PORT") or str(Environment.port.default)
    if options.fixtures:
        found["CONFORMANCE_FIXTURES"] = "true"
    if options.ephemeral:
        found["RATE_LIMITS"] = "false"
        found["OAUTH_ACCESS_SECONDS"] = process.get("OAUTH_ACCESS_SECONDS") or str(_DAY)
    return found


def forget_other_settings(process: MutableMapping[str, str] = os.environ) -> None:
    """Remove variables that may be about something else: DATABASE_URL of a CI job is its own database.

    Args:
        process: The variables of the process.
    """
    for setting in (*Environment.declared(), *OF_THE_APPS):
        for name in (setting.variable, f"{setting.variable}_FILE"):
            if not name.startswith(_OURS_ALONE):
                process.pop(name, None)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as probe:
            port: int = probe.getsockname()[1]
            return port
    except OSError as error:
        print(f"{host} cannot be used: {error.strerror}.", file=sys.stderr)  # noqa: T201 - this is a command
        sys.exit(exit_codes.PORT_UNAVAILABLE)
