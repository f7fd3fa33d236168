"""Everything Server with the official Python client: signs in and uses every feature.

    python docs/clients/python_client.py http://localhost:3232/mcp [--as NAME] [--revision REVISION]

It prints a URL to open in a browser; with `--as` it acts as the browser itself, as NAME at the fake identity
provider. It stops with status 1 at the first unexpected response. The steps are in
the modules next to it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import changes
import extensions
import features
import httpx2
import questions
from mcp import Client
from mcp.client.auth import OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from person import Person
from signing_in import NotSignedIn, SignIn, signing_in
from steps import MODERN, WAIT, check, say


@asynccontextmanager
async def connected(url: str, name: str | None, revision: str, person: Person) -> AsyncIterator[Client]:
    async with (
        SignIn(name) as sign_in,
        httpx2.AsyncClient(
            auth=signing_in(url, sign_in), timeout=httpx2.Timeout(WAIT, read=600), follow_redirects=True
        ) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode="auto" if revision == MODERN else "legacy",
            **person.callbacks,
        ) as client,
    ):
        yield client


async def more_access(client: Client) -> None:
    say("A tool that requires another scope: the client asks the user for it, and calls again")
    described = await client.call_tool("describe-server")
    check(described.structured_content or {}, "packages")


async def walk(url: str, name: str | None, revision: str) -> None:
    person = Person()
    async with connected(url, name, revision, person) as client:
        say(f"Connected at {client.protocol_version}", client.server_info, client.instructions)
        await features.tools(client)
        await features.content(client)
        await features.progress(client)
        await features.resources(client)
        await features.prompts(client)
        await questions.model(client, person)
        await questions.forms(client, person)
        await questions.pages(client, person)
        await questions.roots(client)
        await changes.notes(client, person)
        if client.protocol_version == MODERN:
            await extensions.skills(client)
            await extensions.tasks(client, person)
        else:
            await changes.sessions_only(client, person)
        await extensions.apps(client)
        await more_access(client)
    print("\nEvery feature answered as expected.")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="the MCP endpoint, such as http://localhost:3232/mcp")
    parser.add_argument("--as", dest="name", help="sign in as this person, without a browser")
    parser.add_argument("--revision", choices=("2025-11-25", MODERN), default=MODERN)
    options = parser.parse_args()
    if "://" not in options.url:
        sys.exit(f"{options.url} lacks its scheme, such as http://{options.url}")
    # The client warns of features deprecated in 2026-07-28, which this server demonstrates.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    logging.getLogger("mcp").addHandler(
        logging.NullHandler()
    )  # it logs tracebacks; we print a message instead
    sentence = None
    try:
        asyncio.run(walk(options.url, options.name, options.revision))
    except Exception as error:
        sentence = _sentence(options.url, _first(error))
        if sentence is None:
            raise
    if sentence is not None:
        sys.exit(sentence)


def _first(error: BaseException) -> BaseException:
    """The exception itself, without the groups around it."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _sentence(url: str, error: BaseException) -> str | None:
    """The message for a user error; None for a bug in this script."""
    match error:
        case httpx2.TransportError():
            return (
                f"{url} cannot be reached ({str(error) or type(error).__name__}). Does the server run there?"
            )
        case NotSignedIn():
            return str(error)
        case MCPError() | OAuthFlowError():
            says = f"{url} cannot be used: {str(error).partition(chr(10))[0]}"
        case _:
            return None
    is_endpoint = urlsplit(url).path.rstrip("/").endswith("/mcp")
    return (
        says
        if is_endpoint or "/mcp" in says
        else f"{says.removesuffix('.')}. The URL of Streamable HTTP ends with /mcp."
    )


if __name__ == "__main__":
    main()
