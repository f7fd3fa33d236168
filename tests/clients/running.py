"""Runs one client's driver against two server processes, and does for it what a driver cannot do itself.

The driver and this module exchange lines of JSON (`drivers/play.py`). On demand, the run acts as the browser,
breaks connections, kills the process that runs a call, or stops the server until sessions have become idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis

from mcp_app.sessions import keys
from tests.clients import environments
from tests.clients.catalogue import DRIVERS, Client, Mode
from tests.support import node
from tests.support.browser import Browser
from tests.support.client import sign_in
from tests.support.deployment import Deployment, deployment
from tests.support.waiting import eventually

IDLE_SECONDS = 8
LEASE_SECONDS = 3
"""Shorter than the defaults, so that a check of what happens afterwards does not take minutes."""

_MARK = "@@client "
_LINE_LIMIT = 1 << 20


@dataclass
class Result:
    """What one client did in one mode.

    Args:
        revision: The protocol revision that it negotiated, as far as it says so.
        error: Why the run ended before the driver did.
    """

    client: str
    mode: str
    version: str
    revision: str = ""
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    def surprises(self, expected: Mode) -> list[str]:
        """What differs from the description, one sentence each."""
        found = [f"{check} failed: {self.failed[check]}" for check in self.failed if check in expected.passes]
        found += [
            f"{check} passed, though it is expected to fail"
            for check in self.passed
            if check in expected.fails
        ]
        described = {*expected.passes, *expected.fails}
        if new := [check for check in (*self.passed, *self.failed) if check not in described]:
            found.append(f"not described: {', '.join(new)}")
        found += [f"{check} was not reached" for check in described - {*self.passed, *self.failed}]
        return [*found, self.error] if self.error else found


@contextlib.contextmanager
def site(**environment: Any) -> Iterator[Deployment]:
    """Two alternating Daphne processes, with the times that the checks need."""
    settings = {
        "MCP_SESSION_IDLE_SECONDS": IDLE_SECONDS,
        "MCP_KEEP_ALIVE_SECONDS": IDLE_SECONDS / 2,
        "MCP_LEASE_SECONDS": LEASE_SECONDS,
    }
    with deployment(
        DJANGO_SETTINGS_MODULE="tests.processes.settings",
        TEST_SETTINGS=json.dumps(settings),
        CONFORMANCE_FIXTURES="1",
        **environment,
    ) as made:
        yield made


async def run(
    client: Client,
    mode: Mode,
    at: Deployment,
    environment: Path,
    log: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run a client in one mode.

    Args:
        client: The client, whose environment is installed.
        mode: One of its modes.
        at: The servers.
        environment: Its environment.
        log: A file for whatever it prints besides.
        tell: Called with each check as it is done.
    """
    result = Result(client.name, mode.name, client.version)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="client-") as home:
        token = await sign_in(at.mcp_url) if client.sign_in == "bearer" else ""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                environments.interpreter(client, environment),
                str(DRIVERS / client.driver),
                mode.name,
                cwd=home,
                env=_environment(client, environment, Path(home), at.mcp_url, token),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_LINE_LIMIT,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(client.seconds):
                    if not await _Conversation(process, at, result, errors, tell).hold():
                        result.error = "the driver ended early"
            except TimeoutError:
                result.error = f"not done within {client.seconds:.0f} s"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with whatever it has started
                await process.wait()
    result.seconds = round(time.monotonic() - started, 1)
    return result


class _Conversation:
    def __init__(
        self,
        process: asyncio.subprocess.Process,
        at: Deployment,
        result: Result,
        log: Any,
        tell: Callable[[str], None],
    ) -> None:
        self._process = process
        self._at = at
        self._result = result
        self._log = log
        self._tell = tell

    async def hold(self) -> bool:
        """Listen until the driver says that it is done; false if it ends silently."""
        assert self._process.stdout
        async for line in self._process.stdout:
            text = line.decode(errors="replace")
            if not text.startswith(_MARK):
                self._log.write(line)
                continue
            self._log.write(line)
            self._log.flush()
            message: dict[str, Any] = json.loads(text.removeprefix(_MARK))
            match message:
                case {"passed": check}:
                    if check not in self._result.passed:
                        self._result.passed.append(check)
                    self._tell(f"{check}: ok")
                case {"failed": check, "reason": reason}:
                    self._result.failed[check] = reason
                    self._tell(f"{check}: FAILED, {reason}")
                case {"revision": revision}:
                    self._result.revision = revision
                case {"ask": what}:
                    await self._answer(await self._do(what, message))
                case {"end": True}:
                    return True
        return False

    async def _answer(self, answer: dict[str, Any]) -> None:
        assert self._process.stdin
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps(answer).encode() + b"\n")
            await self._process.stdin.drain()

    async def _do(self, what: str, details: dict[str, Any]) -> dict[str, Any]:
        try:
            match what, details:
                case "sign in", {"url": url, **rest}:
                    return {"back": await _play_browser(url, visit=bool(rest.get("visit")))}
                case "trouble", {"name": name, **rest}:
                    await self._trouble(name, rest)
                    return {"done": True}
                case "stopped", {"word": word}:
                    return {"done": await self._stopped(word.encode())}
        except Exception as error:
            self._log.write(f"{what}: {error!r}\n".encode())
            return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]}
        raise ValueError(f"no driver may ask for {what!r}")

    async def _trouble(self, name: str, details: dict[str, Any]) -> None:
        proxy = self._at.proxy
        if word := details.get("during", "").encode():
            await eventually(lambda: proxy.carrying(word), within=15)
            await asyncio.sleep(0.5)  # by now the call has become a stream
        match name:
            case "kill":
                [port, *_] = proxy.carrying(word)
                server = next(server for server in self._at.servers if server.port == port)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            case "idle":
                await self._outage(IDLE_SECONDS + 2)
            case _:
                await self._outage(details.get("seconds", 0))

    async def _outage(self, seconds: float) -> None:
        with self._at.proxy.outage():
            await asyncio.sleep(seconds)

    async def _stopped(self, word: bytes) -> bool:
        """Whether the calls of that tool come to their end soon."""
        with redis.Redis.from_url(self._at.installation.environment["REDIS_URL"]) as client:

            def over() -> bool:
                return not self._at.proxy.carrying(word) and not list(client.scan_iter(keys.calls("*")))

            try:
                await eventually(over)
            except AssertionError:
                return False
        return True


async def _play_browser(url: str, *, visit: bool) -> str:
    """Sign in as alice; the URL of the client's callback, which is opened if the client listens there."""
    [redirect_uri] = parse_qs(urlsplit(url).query)["redirect_uri"]
    async with Browser("alice") as browser:
        back = await browser.authorize(url, redirect_uri)
        if visit:
            await browser.visit(back)
    return back


def _environment(client: Client, environment: Path, home: Path, url: str, token: str) -> dict[str, str]:
    """Nothing of the machine's own but what a program needs to start: no keys, no proxies, no model."""
    path = [str(environment / "node_modules" / ".bin"), str(environment / "venv" / "bin")]
    if executable := node.node():
        path.append(str(executable.parent))
    return {
        "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)]),
        "HOME": str(home),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CLIENT": client.name,
        "ENDPOINT": url,
        "TOKEN": token,
        "PACKAGES": str(environment / "node_modules"),
    }
