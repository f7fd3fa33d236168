"""`python manage.py doctor URL`: diagnoses an MCP server."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx2
from django.core.management import BaseCommand, CommandError

from mcp_app.doctor import access
from mcp_app.doctor.directories import Checklist
from mcp_app.doctor.discovery import is_secure, origin_of
from mcp_app.doctor.findings import Finding, Level
from mcp_app.doctor.reading import client
from mcp_app.doctor.requirements import DIRECTORIES
from mcp_app.doctor.sign_in import in_a_browser, played_by
from mcp_app.doctor.walk import Walk
from mcp_app.hosts import is_loopback
from mcp_app.terminal import visible


class Command(BaseCommand):
    help = (
        "Take the steps of a client that connects to an MCP server, this one or any other: challenge, "
        "metadata, registration, sign-in, token, initialize, tools/list. Reports what is wrong, and which "
        "section of a specification requires it. Exits with 1 if a client would fail."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="the MCP endpoint, such as https://mcp.example.com/mcp")
        way = parser.add_mutually_exclusive_group()
        way.add_argument(
            "--as",
            dest="person",
            metavar="NAME",
            help="sign in as NAME, on a page that asks for a name and a password (the environment variable "
            "MCP_PASSWORD, otherwise you are asked), or at the fake identity provider, which needs none",
        )
        way.add_argument("--sign-in", action="store_true", help="wait for you to sign in with a browser")
        way.add_argument(
            "--token",
            metavar="TOKEN",
            help="use this token; - takes it from the environment variable MCP_TOKEN",
        )
        parser.add_argument("--client-id", help="a registered client, for a server without /register")
        parser.add_argument(
            "--scope",
            metavar="SCOPES",
            help="request these scopes, separated by spaces, in place of those that the server asks for",
        )
        parser.add_argument(
            "--call",
            nargs="+",
            metavar=("TOOL", "NAME=VALUE"),
            help="also call this tool, such as --call price item=pear; a value that is JSON is taken as such",
        )
        parser.add_argument(
            "--directory",
            action="append",
            choices=list(DIRECTORIES),
            default=[],
            help="also say what the checklist of this directory misses; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if fault := _fault(options["url"]):
            raise CommandError(fault)
        findings = asyncio.run(examine(say=self.stderr.write, **_chosen(options)))
        faults = sum(finding.level == Level.FAULT for finding in findings)
        if options["json"]:
            result = {"url": options["url"], "faults": faults, "findings": [asdict(one) for one in findings]}
            self.stdout.write(json.dumps(result, indent=2))
        else:
            self._tell(findings, faults)
        if faults:
            raise SystemExit(1)

    def _tell(self, findings: list[Finding], faults: int) -> None:
        colours = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.FAULT: self.style.ERROR,
            Level.SKIPPED: self.style.NOTICE,
        }
        for finding in findings:
            self.stdout.write(
                f"{colours[finding.level](f'{finding.level:<8}')} {finding.step}: {visible(finding.says)}"
            )
            if finding.spec:
                self.stdout.write(f"         required by {finding.spec}")
        is_complete = any(one.step == access.TOOLS and one.level != Level.SKIPPED for one in findings)
        success = "A client can connect." if is_complete else "As far as was tried, a client can connect."
        self.stdout.write(f"\nFaults: {faults}" if faults else f"\n{success}")


def _fault(url: str) -> str | None:
    """Why this URL cannot be examined, or None."""
    if "://" not in url:
        host = urlsplit(f"//{url}").hostname if origin_of(f"http://{url}") else None
        scheme = "http" if host is not None and is_loopback(host) else "https"
        return f"The URL lacks its scheme: try {scheme}://{url}"
    if not is_secure(url):
        return "The URL must be https, or http on this computer."
    path = urlsplit(url).path.rstrip("/")
    if path.endswith("/sse"):
        other = urlsplit(url)._replace(path=path.removesuffix("/sse") + "/mcp", query="").geturl()
        return f"The doctor supports only Streamable HTTP, and /sse is the endpoint of HTTP+SSE: try {other}"
    return None


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    token = options["token"]
    if token == "-":  # noqa: S105 - not a token
        token = os.environ.get("MCP_TOKEN")
        if not token:
            raise CommandError("--token - needs the environment variable MCP_TOKEN.")
    return {
        "url": options["url"],
        "token": token,
        "person": options["person"],
        "by_hand": options["sign_in"],
        "scope": options["scope"],
        "call": _call(options["call"]) if options["call"] else None,
        "client_id": options["client_id"],
        "directories": options["directory"],
    }


def _call(words: list[str]) -> dict[str, Any]:
    """The `params` of `tools/call`."""
    arguments: dict[str, Any] = {}
    for word in words[1:]:
        name, separator, value = word.partition("=")
        if not separator:
            raise CommandError(f"Write arguments as NAME=VALUE, not {word!r}.")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
    return {"name": words[0], "arguments": arguments}


def _password(place: str) -> str:
    return os.environ.get("MCP_PASSWORD") or getpass.getpass(f"Password for {visible(place)}: ")


async def examine(
    *,
    url: str,
    say: Callable[[str], Any],
    token: str | None = None,
    person: str | None = None,
    by_hand: bool = False,
    client_id: str | None = None,
    scope: str | None = None,
    call: dict[str, Any] | None = None,
    directories: Sequence[str] = (),
    ask_password: Callable[[str], str] = _password,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> list[Finding]:
    """The findings for `url`.

    Args:
        url: The MCP endpoint.
        say: Prints instructions for the user.
        token: A token to use.
        person: The user to sign in as.
        by_hand: Whether to wait for the user to sign in with a browser.
        client_id: A registered client.
        scope: The scopes to request; those of the challenge if None.
        call: The `params` of a call to make.
        directories: The directories whose checklists to go through, of `DIRECTORIES`.
        ask_password: Takes the host that asks for the password of `person`, and returns it.
        transport: The HTTP transport; the network by default.
    """
    async with client(url, transport) as http:
        walk = Walk(http, url, token=token, client_id=client_id, call=call, scope=scope)
        wanted = [DIRECTORIES[name] for name in directories]
        walk.redirects_too = [uri for one in wanted for uri in one.redirect_uris]
        walk.state_bytes = max([walk.state_bytes, *(one.state_bytes for one in wanted)])
        if by_hand:
            async with in_a_browser(say) as (redirect_uri, sign_in):
                walk.redirect_uri, walk.sign_in = redirect_uri, sign_in
                findings = await walk.run()
        else:
            if person is not None:
                walk.sign_in = played_by(person, http, ask_password)
            findings = await walk.run()
        for one in wanted:
            findings += await Checklist(http, url, walk.facts, one).findings()
        return findings
