"""What the official clients are run through besides the common checks."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import play
from mcp import types
from play import MODE, WAIT, Connect, Surprise, check, expect

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
ROOT = "file:///home/alice/project"
RESOURCE = "test://static/resource/1"
SEPARATORS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"
"""What some reader takes for the end of a line."""


class Full(Protocol):
    """What an adapter offers here, besides what every adapter does; `heard` is what came unasked."""

    heard: list[str]

    async def call(self, name: str, arguments: dict[str, Any], progress: Any = None) -> Any: ...
    async def prompt(self, name: str) -> Any: ...
    async def read(self, uri: str) -> Any: ...
    async def page(self, cursor: str | None) -> tuple[list[str], str | None]: ...
    async def complete(self, prompt: str, argument: str, value: str) -> Any: ...
    async def subscribe(self, uri: str) -> Any: ...
    async def set_level(self, level: str) -> Any: ...
    async def listen(self) -> None: ...


class Person:
    """The other side of a client on the SDK: its person, its model, its roots."""

    async def sample(self, context: Any, params: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", model="played", content=types.TextContent(type="text", text="Paris")
        )

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        if params.mode == "url":
            return types.ElicitResult(action="accept")
        schema = getattr(params, "requested_schema", None) or params.requestedSchema
        return types.ElicitResult(action="accept", content=filled(schema))

    async def roots(self, context: Any) -> types.ListRootsResult:
        return types.ListRootsResult.model_validate({"roots": [{"uri": ROOT, "name": "project"}]})


def filled(schema: dict[str, Any]) -> dict[str, Any]:
    """What a person enters who fills in only what must be filled in."""
    return {
        name: field["default"] if "default" in field else _value(field)
        for name, field in schema["properties"].items()
        if name in schema.get("required", [])
    }


def _value(field: dict[str, Any]) -> Any:
    options = field.get("enum") or [one["const"] for one in field.get("oneOf", [])]
    return options[0] if options else {"boolean": True, "integer": 1, "number": 1}.get(field["type"], "Alice")


async def full(client: Any) -> None:
    """Everything that a client can do on one connection."""

    async def call(name: str, wanted: str, **arguments: Any) -> None:
        expect(await client.call(name, arguments), wanted)

    async def progress() -> None:
        heard: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        await client.call("longRunningOperation", {"duration": 0.4, "steps": 4}, on_progress)
        if heard != [1, 2, 3, 4]:
            raise Surprise(f"heard {heard}")

    async def all_pages() -> None:
        found, cursor = await client.page(None)
        while cursor:
            more, cursor = await client.page(cursor)
            found += more
        if len(set(found)) < 100:
            raise Surprise(f"{len(set(found))} resources")

    async def heard(*wanted: str) -> None:
        while not any(all(word in one for word in wanted) for one in client.heard):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def subscribe() -> None:
        await client.subscribe(RESOURCE)
        await heard("ResourceUpdated", RESOURCE)

    async def logging() -> None:
        await client.set_level("debug")
        await client.call("test_logging_tool", {})
        await heard("An error message")

    async def elicitation() -> None:
        expect(await client.call("elicitInputs", {}), "accept")

    async def complete() -> None:
        expect(repr(await client.complete("complex_prompt", "style", "f")), "formal")

    await check("progress", progress)
    await check("sampling", lambda: call("sampleLLM", "Paris", prompt="Capital of France?"))
    await check("elicitation", elicitation)
    await check(
        "elicitation by URL", lambda: call("trigger-url-elicitation", "agreed", url="https://example.com/")
    )
    await check("roots", lambda: call("get-roots-list", ROOT))
    await check("completion", complete)
    await check("prompts", lambda: _expected(client.prompt("simple_prompt"), "without arguments"))
    await check("resources", lambda: _expected(client.read(RESOURCE), "Resource 1"))
    await check("all pages", all_pages)
    if MODE == MODERN:
        await check("listen", client.listen)
    else:
        await check("logging", logging)
        await check("subscribe", subscribe)
    await check("cancel", lambda: cancel(client))
    await check("step-up", lambda: call("describe-server", "everything-server"))


async def cancel(client: Any) -> None:
    begun = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    arguments = {"duration": 60, "steps": 600}
    call = asyncio.ensure_future(client.call("longRunningOperation", arguments, on_progress))
    await asyncio.wait_for(begun.wait(), WAIT)
    call.cancel()
    await asyncio.wait({call}, timeout=5)
    if not (await play.ask("stopped", word="longRunningOperation"))["done"]:
        raise Surprise("the call goes on at the server")


async def outages(connect: Connect) -> None:
    """Outages of several lengths during a call."""
    for seconds in (0.3, 1.5, 3, 5):
        await play.survives(f"outage {seconds} s", connect, seconds=seconds)


async def separators(client: Any) -> None:
    """A tool that gives back every character that some reader takes for the end of a line."""
    expect(repr(await client.call("echo", {"message": SEPARATORS})), "Echo: a.{3,9}b.{3,9}c")


async def _expected(request: Any, wanted: str) -> None:
    expect(repr(await request), wanted)
