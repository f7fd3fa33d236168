"""The project's application, with tools that only a test needs and a path that tells what was counted.

The tools write into a diary which process ran them: a file, since the processes have nothing else to say
to a test that does not go through what is tested.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import anyio
from django.db.backends.signals import connection_created
from mcp.server.mcpserver import Context

from everything_site.asgi import application as everything
from everything_site.asgi import runtime
from everything_site.demo.fixtures import interaction
from everything_site.demo.tools.basics import PURE
from everything_site.demo.tools.interactive import ASKING
from mcp_app.server import Extension
from mcp_app.transports.responses import respond_json
from tests.processes import COUNTS, lease_of

queries = 0


def _count(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    global queries
    queries += 1
    return execute(sql, params, many, context)


def _watch(connection: Any, **kwargs: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch, dispatch_uid="tests.processes")


def note(diary: str) -> None:
    with Path(diary).open("a") as pages:
        pages.write(f"{os.getpid()}\n")


async def work(ctx: Context, diary: str, seconds: float = 0.0, steps: int = 1) -> str:
    note(diary)
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        await anyio.sleep(seconds / steps)
    return "done"


async def ask_model(ctx: Context, diary: str, prompt: str) -> Any:
    note(diary)
    return await interaction.test_sampling(ctx, prompt)


def block(seconds: float) -> str:
    """Holds a thread, as a library does that knows nothing of event loops."""
    time.sleep(seconds)
    return "blocked"


async def flood(ctx: Context, messages: int, size: int, diary: str) -> str:
    for number in range(1, messages + 1):
        await ctx.report_progress(number, messages, "x" * size)
    note(diary)
    return "flooded"


# The same work twice: one says of itself that a second run does no harm, the other does not.
runtime.server.add_tool(work, name="harmless", annotations=PURE, structured_output=False)
runtime.server.add_tool(work, name="harmful", structured_output=False)
runtime.server.add_tool(ask_model, name="ask", annotations=ASKING, structured_output=False)
runtime.server.add_tool(block, name="block", annotations=PURE, structured_output=False)
runtime.server.add_tool(flood, name="flood", structured_output=False)


class LeaseHolder(Extension):
    """Holds a lease named after its process for as long as that serves."""

    identifier = "example.com/lease-holder"

    async def run(self) -> None:
        async with runtime.engine.leases.try_hold(lease_of(os.getpid())):
            await anyio.sleep_forever()


runtime.engine.extensions.append(LeaseHolder())


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == COUNTS:
        await respond_json(send, 200, {"queries": queries, "process": os.getpid()})
        return
    await everything(scope, receive, send)
