"""The checkers: their packages, how each runs against this server, and how its report is parsed."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.conformance import suite
from tests.field import environments
from tests.field.results import Check, Status
from tests.support import node
from tests.support.browser import Browser

RUN_SECONDS = 240
_AUTHORIZATION_URL = re.compile(r"https?://\S+/authorize\?\S+")


@dataclass(frozen=True)
class Site:
    """The server as the checkers see it.

    Attributes:
        url: The MCP endpoint.
        signed_in_url: The same endpoint behind a proxy that adds a token, for checkers that cannot.
        token: An access token for the endpoint.
    """

    url: str
    signed_in_url: str
    token: str

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Checker:
    """One checker at its pinned version.

    Attributes:
        name: What it is called on the command line.
        package: The package and its version.
        about: What it looks at.
        run: Runs it and returns its checks.
    """

    name: str
    package: str
    about: str
    run: Callable[[Site], Coroutine[Any, Any, list[Check]]]


async def conformance(site: Site) -> list[Check]:
    """The official suite of the handshake revisions; a scenario is a check."""
    script = environments.npm_packages() / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    with tempfile.TemporaryDirectory() as folder:
        await _output(
            node.command(script, "server", "--url", site.signed_in_url, "--output-dir", folder), codes=(0, 1)
        )
        reports = suite.results(Path(folder))
    found = []
    for scenario, checks in reports.items():
        failures = [check for check in checks if check["status"] == "FAILURE"]
        detail = "; ".join(str(check.get("errorMessage") or check["id"]) for check in failures)
        found.append(Check(scenario, "failed" if failures else "passed", detail))
    return found


async def mcp_conform(site: Site) -> list[Check]:
    """Envelope, initialization, lists, schemas and errors. It adds `/mcp` to the address by itself."""
    script = environments.python_script("mcp-conform==0.1.0", "mcp-conform")
    address = site.signed_in_url.removesuffix("/mcp")
    text = await _output(
        [str(script), "server", "--transport", "http", "--url", address, "--format", "json"], codes=(0, 1)
    )
    report = json.loads(text)
    if report.get("fatal_error"):
        return [Check("run", "failed", report["fatal_error"])]
    return [
        Check(f"{check['name']}/{number}", "passed" if check["passed"] else "failed", str(check))
        for number, check in enumerate(report["checks"])
    ]


async def mcpcheck(site: Site) -> list[Check]:
    """2026-07-28: lists, headers, errors, cache hints, origins."""
    script = environments.python_script("jbt-mcpcheck==0.1.1", "mcpcheck")
    command = [str(script), site.url, "--token", site.token, "--legacy-probes", "--json"]
    report = json.loads(await _output(command, codes=(0, 1)))
    return [
        Check(check["name"], _status(check["status"]), "; ".join(map(_message, check["failures"])))
        for check in report["checks"]
    ]


async def mcp_authlab(site: Site) -> list[Check]:
    """Authorization: challenges, metadata, codes, tokens, audiences. It signs in by the OAuth flow."""
    script = str(environments.python_script("mcp-authlab==0.2.2", "mcp-authlab"))
    with tempfile.TemporaryDirectory() as home:
        environment = node.environment(HOME=home, XDG_CONFIG_HOME=home, BROWSER="true", PYTHONUNBUFFERED="1")
        async with _started([script, "login", site.url, "--no-color"], environment, merge=True) as process:
            await _sign_in_where_told(process)
        command = [script, "scan", site.url, "--format", "json"]
        report = json.loads(await _output(command, environment=environment, codes=(0, 1, 2)))
    return [
        Check(
            check["id"], _status(check["status"]), str(check.get("detail") or check.get("evidence") or check)
        )
        for check in report["results"]
    ]


async def mcpjam(site: Site) -> list[Check]:
    """Protocol, apps, and the OAuth flow at three revisions."""
    environments.npm_packages()
    script = Path(__file__).with_name("mcpjam.mjs")
    found = []
    async with (
        _started(node.command(script, site.url, site.token), node.environment()) as process,
        Browser() as browser,
    ):
        async for line in _lines(process):
            if not line.startswith("{"):
                continue  # the package greets whoever imports it
            said = json.loads(line)
            if "open" in said:
                await _sign_in(browser, said["open"])
            else:
                found.append(Check(said["check"], _status(said["status"]), said["detail"]))
    return found


async def wapiti(site: Site) -> list[Check]:
    """The pages, as a web scanner sees them. Every kind of finding is a check."""
    script = environments.python_script("wapiti3==3.2.3", "wapiti")
    modules = "cookieflags,csp,http_headers,csrf,crlf,redirect,xss,permanentxss,sql,exec,file,methods"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        await _output(
            [
                *(str(script), "--url", f"{site.origin}/", "--scope", "domain", "--depth", "4"),
                *("--max-scan-time", "60", "--max-attack-time", "10", "--tasks", "4"),
                *("--module", modules, "--flush-session", "--no-bugreport"),
                *("--store-session", folder, "--store-config", folder),
                *("--format", "json", "--output", str(report)),
            ],
            environment=node.environment(HOME=folder),
        )
        findings = json.loads(report.read_text())
    kinds: dict[str, list[dict[str, Any]]] = {**findings["vulnerabilities"], **findings["anomalies"]}
    return [
        Check(
            kind.replace(" ", "-"),
            "failed" if found else "passed",
            "; ".join(sorted({f"{one['method']} {one['path']}: {one['info']}" for one in found})[:5]),
        )
        for kind, found in kinds.items()
    ]


CHECKERS = (
    Checker(
        "conformance",
        "@modelcontextprotocol/conformance 0.1.16",
        "the official suite up to 2025-11-25",
        conformance,
    ),
    Checker("mcp-conform", "mcp-conform 0.1.0", "messages and schemas", mcp_conform),
    Checker("mcpcheck", "jbt-mcpcheck 0.1.1", "2026-07-28", mcpcheck),
    Checker("mcp-authlab", "mcp-authlab 0.2.2", "authorization", mcp_authlab),
    Checker("mcpjam", "@mcpjam/sdk 1.14.0", "protocol, apps, OAuth at three revisions", mcpjam),
    Checker("wapiti", "wapiti3 3.2.3", "the pages", wapiti),
)


def _status(said: str) -> Status:
    """The status for a checker's own word: a warning is not a failure."""
    known: dict[str, Status] = {
        "pass": "passed",
        "passed": "passed",
        "warn": "passed",
        "fail": "failed",
        "failed": "failed",
        "error": "failed",
        "skip": "skipped",
        "skipped": "skipped",
        "inconclusive": "skipped",
        "info": "passed",
    }
    return known[said.lower()]


def _message(failure: Any) -> str:
    return str(failure.get("message", failure)) if isinstance(failure, dict) else str(failure)


async def _output(
    command: Sequence[str], *, environment: dict[str, str] | None = None, codes: tuple[int, ...] = (0,)
) -> str:
    """What a command prints on standard output.

    Raises:
        RuntimeError: It ended with an exit code that is not in `codes`.
        TimeoutError: It did not end within `RUN_SECONDS`.
    """
    async with _started(command, environment or node.environment()) as process:
        lines = [line async for line in _lines(process)]
    code = process.returncode
    text = "\n".join(lines)
    if code not in codes:
        raise RuntimeError(f"{Path(command[0]).name} ended with {code}: {text[-2000:]}")
    return text


@asynccontextmanager
async def _started(
    command: Sequence[str], environment: dict[str, str], *, merge: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running command, which is killed when the block ends or takes longer than `RUN_SECONDS`.

    With `merge` its standard error is read together with its standard output.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT if merge else asyncio.subprocess.DEVNULL,
        limit=16 * 1024 * 1024,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            yield process
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async for line in process.stdout:
        yield line.decode(errors="replace").rstrip("\n")


async def _sign_in_where_told(process: asyncio.subprocess.Process) -> None:
    """Sign in at every authorization URL that a command prints."""
    async with Browser() as browser:
        async for line in _lines(process):
            if match := _AUTHORIZATION_URL.search(line):
                await _sign_in(browser, match[0])


async def _sign_in(browser: Browser, url: str) -> None:
    """Sign in, allow access, and send the response to the checker's callback."""
    redirect_uri = parse_qs(urlsplit(url).query)["redirect_uri"][0]
    await browser.visit(await browser.authorize(url, redirect_uri))
