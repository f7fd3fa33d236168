"""Clients in TypeScript that know only `/sse`: they sign in there by themselves, and call a tool."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.e2e.tools import text_of
from tests.support import node
from tests.support.browser import Browser
from tests.support.client import REDIRECT_URI
from tests.support.deployment import Deployment
from tests.support.processes import free_port
from tests.support.waiting import eventually

if (MISSING := node.missing()) and os.environ.get("CI"):
    raise RuntimeError(MISSING)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.node,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

SCRIPT = Path(__file__).with_name("typescript") / "sign_in.mjs"
MCP_REMOTE = node.PACKAGES / "mcp-remote" / "dist" / "proxy.js"
WAIT = 60
"""Seconds that a client may take from nothing to its answer; Node.js starts slowly on a busy machine."""


@pytest.mark.parametrize(
    ("site", "package"),
    [("integrated", "@modelcontextprotocol/sdk"), ("separate", "@modelcontextprotocol/client")],
    indirect=["site"],
)
async def test_the_typescript_clients_sign_in_at_sse(site: Deployment, package: str) -> None:
    command = node.command(SCRIPT, str(node.PACKAGES), f"{site.url}/sse", package, REDIRECT_URI)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=node.environment(), stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(WAIT), Browser("alice") as browser:
            url = (await process.stdout.readline()).decode().strip()
            assert url, (await process.stderr.read()).decode()
            back = await browser.authorize(url, REDIRECT_URI)
            process.stdin.write(f"{back}\n".encode())
            answer = (await process.stdout.readline()).decode()
            assert answer, (await process.stderr.read()).decode()
            assert json.loads(answer) == [{"type": "text", "text": "Echo: from TypeScript"}]
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_mcp_remote_signs_in_at_sse(site: Deployment, tmp_path: Path) -> None:
    port = free_port()
    executable, *arguments = node.command(
        MCP_REMOTE, f"{site.url}/sse", str(port), "--transport", "sse-only", "--allow-http"
    )
    environment = node.environment(HOME=str(tmp_path), MCP_REMOTE_CONFIG_DIR=str(tmp_path), BROWSER="none")
    server = StdioServerParameters(command=executable, args=arguments, env=environment)
    with anyio.fail_after(WAIT), (tmp_path / "stderr").open("w+") as stderr:
        async with asyncio.TaskGroup() as tasks:
            signing_in = tasks.create_task(_sign_in(tmp_path / "stderr"))
            async with Client(stdio_client(server, errlog=stderr), mode="legacy") as client:
                answer = await client.call_tool("echo", {"message": "through mcp-remote"})
            assert text_of(answer) == "Echo: through mcp-remote"
            assert await signing_in == 200


async def _sign_in(stderr: Path) -> int:
    """Open the URL that the client prints, consent, and return the status of the redirect to the client."""
    url: str = await eventually(lambda: _printed_url(stderr), within=WAIT)
    [redirect_uri] = parse_qs(urlsplit(url).query)["redirect_uri"]
    async with Browser("alice") as browser:
        return (await browser.visit(await browser.authorize(url, redirect_uri))).status_code


def _printed_url(stderr: Path) -> str | None:
    printed = re.search(r"by visiting:\s+(\S+)\s", stderr.read_text())
    return printed.group(1) if printed else None
