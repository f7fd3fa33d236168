"""The suite's scenarios for authorization servers, with a simulated browser for the URL that it prints."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx2

from tests.conformance.suite import SCRIPT, Scenario, collect, results
from tests.support import node
from tests.support.browser import Browser
from tests.support.processes import free_port

SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")
RUN_SECONDS = 120

_AUTHORIZATION_URL = re.compile(r"https?://\S+/authorize\?\S+")


async def run(issuer: str, output: Path, resource: str | None = None) -> list[Scenario]:
    """Register a public client, then run both scenarios with it; the tokens are for `resource`."""
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    client_id = await _register(issuer, redirect_uri)
    process = await asyncio.create_subprocess_exec(
        *node.command(SCRIPT, "authorization", "--url", issuer, "--client-id", client_id),
        *("--port", str(port), "--resource", resource or f"{issuer}/mcp", "--output-dir", str(output)),
        env=node.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(RUN_SECONDS), Browser() as browser:
            async for line in process.stdout:
                if match := _AUTHORIZATION_URL.search(line.decode()):
                    await browser.visit(await browser.authorize(match[0], redirect_uri))
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return collect(dict.fromkeys(SCENARIOS, True), results(output), {})


async def _register(issuer: str, redirect_uri: str) -> str:
    metadata = {
        "client_name": "Conformance suite",
        "redirect_uris": [redirect_uri],
        "token_endpoint_auth_method": "none",
    }
    async with httpx2.AsyncClient(timeout=20) as http:
        answer = await http.post(f"{issuer}/register", json=metadata)
        answer.raise_for_status()
        return answer.json()["client_id"]
