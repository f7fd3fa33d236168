"""Programs for a terminal, and bridges from standard input to HTTP: each is run as people run it.

This runs in the project's own Python; only the program comes from the client's environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import full
import play
from play import MODE, TOKEN, URL, check, expect

HOME = Path.home()
MODERN = "2026-07-28"
RUN_SECONDS = 45
_AUTHORIZATION = re.compile(r"https?://\S+/authorize\?[^\s\x1b\"'<>]+")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_OPENED = HOME / "opened"


class Failed(Exception):
    """The program ended with an error."""


def prepare() -> None:
    """Put a browser into the path that writes down what it is told to open."""
    folder = HOME / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("xdg-open", "open", "sensible-browser", "x-www-browser"):
        script = folder / name
        script.write_text(f'#!/bin/sh\nfor url; do echo "$url"; done >> {shlex.quote(str(_OPENED))}\n')
        script.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.environ["BROWSER"] = str(folder / "xdg-open")
    _OPENED.touch()


@asynccontextmanager
async def browser(
    *streams: asyncio.StreamReader, refused: Callable[[], None] = lambda: None
) -> AsyncIterator[list[str]]:
    """Play the browser for whatever a program opens or prints meanwhile; the lines that it printed.

    Args:
        streams: What it prints.
        refused: Called when a sign-in is refused, since a program would wait for it.
    """
    said: list[str] = []
    seen: set[str] = set()
    before = len(_OPENED.read_text().splitlines())

    async def visit(line: str) -> None:
        if (match := _AUTHORIZATION.search(line)) and match[0] not in seen:
            seen.add(match[0])
            try:
                await play.ask("sign in", url=match[0], visit=True)
            except play.Surprise as error:
                said.append(str(error))
                refused()

    async def listen(stream: asyncio.StreamReader) -> None:
        while data := await stream.readline():
            line = _ANSI.sub("", data.decode(errors="replace"))
            said.append(line)
            print(line, end="")
            await visit(line)

    async def watch() -> None:
        done = before
        while True:
            lines = _OPENED.read_text().splitlines()
            for line in lines[done:]:
                await visit(line)
            done = len(lines)
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(listen(stream)) for stream in streams]
    watching = asyncio.create_task(watch())
    try:
        yield said
        if tasks:
            await asyncio.wait(tasks, timeout=5)
    finally:
        for task in (watching, *tasks):
            task.cancel()


async def program(*command: str, terminal: bool = False) -> str:
    """Run a program to its end; what it printed.

    Args:
        command: The program and its arguments.
        terminal: Whether it gets a terminal, which some programs want for a sign-in.

    Raises:
        Failed: It ended with another status than 0.
    """
    print("$", shlex.join(command), flush=True)
    if terminal:  # wide enough for a URL in one line
        command = ("script", "-qec", f"stty cols 2000; {shlex.join(command)}", "/dev/null")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if terminal else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    assert process.stdout
    assert process.stderr
    try:
        async with (
            asyncio.timeout(RUN_SECONDS),
            browser(process.stdout, process.stderr, refused=process.kill) as said,
        ):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    text = "".join(said)
    if process.returncode:
        refusal = next((line for line in said if line.startswith("sign in: ")), "")
        last = refusal or next((line.strip() for line in reversed(said) if line.strip()), "")
        raise Failed(f"status {process.returncode}: {last}"[:300])
    return text


@dataclass
class Tools:
    names: Callable[[], Awaitable[list[str]]]
    call: Callable[[str, dict[str, Any]], Awaitable[Any]]


def connects(tools: Tools) -> Any:
    """A program connects anew for each call, so there is nothing to open."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Tools]:
        yield tools

    return connect


async def inspector() -> None:
    os.environ.update(
        MCP_STORAGE_DIR=str(HOME / "storage"), MCP_INSPECTOR_SECRET_STORE="file", MCP_AUTO_OPEN_ENABLED="true"
    )
    era = "modern" if MODE == MODERN else "legacy"

    async def run(method: str, *arguments: str) -> str:
        options = ("--transport", "http", "--server-url", URL, "--method", method, "--protocol-era", era)
        return await program("mcp-inspector", "--cli", *options, "--format", "json", *arguments)

    async def names() -> list[str]:
        return re.findall(r'"name":\s*"([\w-]+)"', await run("tools/list"))

    async def call(name: str, arguments: dict[str, Any]) -> str:
        return await run("tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments))

    async def more(tools: Tools) -> None:
        await check("resources", lambda: _has(run("resources/read", "--uri", full.RESOURCE), "Resource 1"))
        await check("prompts", lambda: _has(run("prompts/get", "--prompt-name", "simple_prompt"), "without"))
        await check("all pages", lambda: _has(run("resources/list"), "static/resource/100"))
        await check("step-up", lambda: _has(call("describe-server", {}), "everything-server"))

    await play.common(connects(Tools(names, call)), more)


async def mcporter() -> None:
    config = HOME / "mcporter.json"
    config.write_text(json.dumps({"mcpServers": {"es": {"baseUrl": URL, "auth": "oauth"}}}))

    async def run(*arguments: str) -> str:
        return await program("mcporter", "--config", str(config), *arguments)

    async def names() -> list[str]:
        return re.findall(r"[\w-]+", await run("list", "es"))

    async def call(name: str, arguments: dict[str, Any]) -> str:
        return await run("call", f"es.{name}", "--args", json.dumps(arguments), "--output", "json")

    async def more(tools: Tools) -> None:
        await check("step-up", lambda: _has(call("describe-server", {}), "everything-server"))

    await check("connect", lambda: run("auth", "es"))
    await play.common(connects(Tools(names, call)), more)


async def mcpc() -> None:
    async def run(*arguments: str) -> str:
        return await program("mcpc", "--json", *arguments)

    async def names() -> list[str]:
        return re.findall(r'"name":\s*"([\w-]+)"', await run("@es", "tools-list"))

    async def call(name: str, arguments: dict[str, Any]) -> str:
        return await run("@es", "tools-call", name, json.dumps(arguments))

    async def more(tools: Tools) -> None:
        await check("all pages", lambda: _has(run("@es", "resources-list"), "static/resource/100"))
        await check("resources", lambda: _has(run("@es", "resources-read", full.RESOURCE), "Resource 1"))

    await run("connect", URL, "@es", "--header", f"Authorization: Bearer {TOKEN}")
    try:
        await play.common(connects(Tools(names, call)), more)
    finally:
        with contextlib.suppress(Failed, TimeoutError):
            await program("mcpc", "@es", "close")


async def mcp_cli() -> None:
    config = HOME / "server_config.json"
    server = {"url": URL, "headers": {"Authorization": f"Bearer {TOKEN}"}}
    config.write_text(json.dumps({"mcpServers": {"everything": server}}))
    which = ("--config-file", str(config), "--server", "everything")

    async def names() -> list[str]:
        return re.findall(r"[\w-]+", await program("mcp-cli", "tools", *which))

    async def call(name: str, arguments: dict[str, Any]) -> str:
        tool = ("--tool", name, "--tool-args", json.dumps(arguments), "--raw")
        return await program("mcp-cli", "cmd", *which, *tool)

    await play.common(connects(Tools(names, call)))


def bridge(*command: str) -> Any:
    """A connection of the SDK's client through a program that speaks over its standard input."""
    import sdk
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        reading, writing = os.pipe()
        stream = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(reading, "rb")
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(os.environ))
        with os.fdopen(writing, "w") as errors:
            async with (
                browser(stream),
                sdk.over(stdio_client(parameters, errlog=errors), full.LEGACY) as adapter,
            ):
                yield adapter

    return connect


async def mcp_remote() -> None:
    connect = bridge("mcp-remote", URL)
    await play.common(connect, full.full)
    await full.outages(connect)

    async def sse() -> None:
        async with bridge(
            "mcp-remote", URL.removesuffix("/mcp") + "/sse", "--transport", "sse-only"
        )() as adapter:
            await full.separators(adapter)

    await check("HTTP+SSE", sse)


async def supergateway() -> None:
    connect = bridge("supergateway", "--streamableHttp", URL, "--oauth2Bearer", TOKEN, "--logLevel", "none")
    await play.common(connect)


async def claude_code() -> None:
    async def connect() -> None:
        await program("claude", "mcp", "add", "--transport", "http", "everything", URL)
        await program("claude", "mcp", "login", "everything", terminal=True)
        expect(await program("claude", "mcp", "list"), "Connected")

    await check("connect", connect, 2 * RUN_SECONDS)


async def codex() -> None:
    async def connect() -> None:
        await program("codex", "mcp", "add", "everything", "--url", URL)
        await program("codex", "mcp", "login", "everything")
        expect(await program("codex", "mcp", "list"), "OAuth")

    await check("connect", connect, 2 * RUN_SECONDS)


async def opencode() -> None:
    async def connect() -> None:
        config = HOME / ".config" / "opencode" / "opencode.json"
        config.parent.mkdir(parents=True)
        config.write_text(
            json.dumps({"mcp": {"everything": {"type": "remote", "url": URL, "enabled": True}}})
        )
        await program("opencode", "mcp", "auth", "everything")
        expect(await program("opencode", "mcp", "list"), "connected")

    await check("connect", connect, 2 * RUN_SECONDS)


async def gemini_cli() -> None:
    async def connect() -> None:
        header = f"Authorization: Bearer {TOKEN}"
        add = ("mcp", "add", "--scope", "user", "--transport", "http", "--header", header, "everything", URL)
        os.environ["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
        await program("gemini", *add)
        expect(await program("gemini", "mcp", "list"), "Connected")

    await check("connect", connect, 2 * RUN_SECONDS)


async def _has(printed: Awaitable[str], wanted: str) -> None:
    expect(await printed, wanted)


if __name__ == "__main__":
    prepare()
    play.run(globals()[os.environ["CLIENT"].replace("-", "_")]())
