"""The official Inspector in CLI mode, with its own home folder and a simulated browser."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import node
from tests.support.browser import Browser
from tests.support.processes import free_port

CLI = node.INSPECTOR / "clients" / "launcher" / "build" / "index.js"
RUN_SECONDS = 60

_PROMPT = re.compile(r"Please navigate to: (\S+)")


class InspectorError(Exception):
    """The Inspector ended with an error."""


@dataclass
class Inspector:
    """One installation of the Inspector: it keeps its registration and tokens in `home`.

    `era` is its `--protocol-era`: "legacy" for the revisions with a handshake, "modern" for 2026-07-28.
    """

    url: str
    home: Path
    era: str
    sign_ins: int = 0

    def __post_init__(self) -> None:
        self._callback = f"http://127.0.0.1:{free_port()}/oauth/callback"

    async def __call__(self, method: str, *arguments: str) -> dict[str, Any]:
        """Run one method; when the Inspector needs a sign-in, a simulated browser does it."""
        process = await asyncio.create_subprocess_exec(
            *node.command(CLI, "--cli", "--transport", "http", "--server-url", self.url, "--method", method),
            *("--protocol-era", self.era, "--callback-url", self._callback, "--format", "json", *arguments),
            env=node.environment(
                HOME=str(self.home),
                MCP_STORAGE_DIR=str(self.home / "storage"),
                MCP_INSPECTOR_SECRET_STORE="file",
                # Without a terminal it signs in only when told to open a browser. Ours reads the printed URL.
                MCP_AUTO_OPEN_ENABLED="true",
                BROWSER="true",
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        try:
            async with asyncio.timeout(RUN_SECONDS):
                answer, said = await asyncio.gather(process.stdout.read(), self._listen(process.stderr))
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise InspectorError(said)
        return json.loads(answer)["result"]

    async def _listen(self, stderr: asyncio.StreamReader) -> str:
        said = ""
        async for line in stderr:
            said += line.decode()
            if match := _PROMPT.search(line.decode()):
                self.sign_ins += 1
                async with Browser() as browser:
                    await browser.visit(await browser.authorize(match[1], self._callback))
        return said
