"""What the wire log copies runs against a real server, and its HAR files are valid and hold no secret."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from tests.support.client import sign_in
from tests.support.deployment import Deployment, deployment
from tests.tour.client import Modern, Session
from tests.tour.wire import PATIENCE, Wire
from tests.workbench.test_modules import NODE, major

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(major() < 20, reason="needs Node.js 20 or later"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

EXPORT = Path(__file__).parent / "js" / "export.mjs"

PAIR = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
}
PAIRS = {"type": "array", "items": PAIR}
SIZE = {"type": "integer", "minimum": -1}
HAR_1_2 = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {"type": "object", "required": ["name", "version"]},
                "entries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["startedDateTime", "time", "request", "response", "cache", "timings"],
                        "properties": {
                            "startedDateTime": {"type": "string", "format": "date-time"},
                            "time": {"type": "number", "minimum": 0},
                            "request": {
                                "type": "object",
                                "required": [
                                    *("method", "url", "httpVersion", "cookies", "headers"),
                                    *("queryString", "headersSize", "bodySize"),
                                ],
                                "properties": {
                                    "url": {"type": "string", "pattern": "^http://"},
                                    "headers": PAIRS,
                                    "queryString": PAIRS,
                                    "headersSize": SIZE,
                                    "bodySize": SIZE,
                                    "postData": {"type": "object", "required": ["mimeType", "text"]},
                                },
                            },
                            "response": {
                                "type": "object",
                                "required": [
                                    *("status", "statusText", "httpVersion", "cookies", "headers"),
                                    *("content", "redirectURL", "headersSize", "bodySize"),
                                ],
                                "properties": {
                                    "status": {"type": "integer"},
                                    "headers": PAIRS,
                                    "content": {"type": "object", "required": ["size", "mimeType"]},
                                },
                            },
                            "timings": {"type": "object", "required": ["send", "wait", "receive"]},
                        },
                    },
                },
            },
        }
    },
}
"""What HAR 1.2 requires: http://www.softwareishard.com/blog/har-12-spec/"""


class PlainWire(Wire):
    """It keeps what differs from run to run, such as the ids of sessions."""

    def learn(self, value: str, mask: str) -> None:
        pass


@dataclass
class Recorded:
    """A server, an access token, and what the exports make of requests to it."""

    site: Deployment
    token: str

    def export(self, visit: Callable[[Wire], Awaitable[Any]]) -> dict[str, Any]:
        exchanges = asyncio.run(self._record(visit))
        given = json.dumps({"origin": self.site.url, "recording": {"version": 1, "exchanges": exchanges}})
        assert NODE is not None
        done = subprocess.run([NODE, str(EXPORT)], input=given, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    async def _record(self, visit: Callable[[Wire], Awaitable[Any]]) -> list[dict[str, Any]]:
        async with self._wire() as wire:
            with wire.page() as made:
                await visit(wire)
        return made["exchanges"]

    @asynccontextmanager
    async def _wire(self) -> AsyncIterator[Wire]:
        async with httpx2.AsyncClient(timeout=PATIENCE) as http:
            wire = PlainWire(self.site.url, http)
            try:
                yield wire
            finally:
                await wire.close()

    def curl(self, line: str) -> str:
        return self._run("sh", "-c", line)

    def python(self, block: str) -> str:
        return self._run(sys.executable, "-W", "ignore", "-c", block)

    def _run(self, *command: str) -> str:
        environment = {"MCP_TOKEN": self.token, "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    with deployment(processes=1) as site:
        yield Recorded(site, asyncio.run(sign_in(site.mcp_url)))


def test_an_ordinary_call_runs_again_from_curl_and_from_python(recorded: Recorded) -> None:
    async def visit(wire: Wire) -> None:
        await Modern(wire, recorded.token).call("Add.", "add", {"a": 2, "b": 40})

    (made,) = recorded.export(visit)["made"]
    assert "42" in recorded.curl(made["curl"])
    assert "call_tool" in made["python"]
    assert "42" in recorded.python(made["python"])


def test_a_streamed_call_of_a_session_runs_again_event_by_event(recorded: Recorded) -> None:
    async def visit(wire: Wire) -> None:
        client = Session(wire, recorded.token)
        await client.open()
        arguments = {"duration": 0.4, "steps": 2}
        params = {"name": "longRunningOperation", "arguments": arguments, "_meta": {"progressToken": 1}}
        await client.request("It takes a while.", "tools/call", params)

    made = recorded.export(visit)["made"][-1]
    assert made["curl"].startswith("curl -N")
    streamed = recorded.curl(made["curl"])
    assert streamed.count("notifications/progress") == 2
    assert '"result"' in streamed
    assert "Steps: 2" in recorded.python(made["python"])


def test_a_request_that_the_server_refuses_is_refused_again(recorded: Recorded) -> None:
    async def visit(wire: Wire) -> None:
        params = {"name": "echo", "arguments": {"message": "it's $HOME"}}
        await Modern(wire, recorded.token).request("Wrong header.", "tools/call", params, name="add")

    (made,) = recorded.export(visit)["made"]
    assert "-32020" in recorded.curl(made["curl"])
    again = recorded.python(made["python"])
    assert again.startswith("400")
    assert "-32020" in again


def test_a_har_file_is_valid_and_holds_no_secret(recorded: Recorded) -> None:
    async def visit(wire: Wire) -> None:
        client = Session(wire, recorded.token)
        await client.open()
        await client.call("It echoes its own token.", "echo", message=f"My token is {recorded.token}.")
        await client.request("A page.", "resources/list")

    har = recorded.export(visit)["har"]
    jsonschema.Draft202012Validator(HAR_1_2, format_checker=jsonschema.FormatChecker()).validate(har)
    assert len(har["log"]["entries"]) == 4
    assert "My token is [ACCESS-TOKEN]." in json.dumps(har)
    assert recorded.token not in json.dumps(har)
