"""A slow tool that reports progress."""

from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult
from pydantic import BaseModel, Field

from everything_site.demo.tools.basics import INTEGER, PURE, Number, plain
from everything_site.demo.tools.results import text_result

# Limits, so that a call cannot occupy a worker for hours or flood a stream.
MAX_SECONDS = 300
MAX_STEPS = 1000


class Operation(BaseModel):
    """What was done."""

    duration: float = Field(description="How long it took, in seconds")
    steps: int = Field(description="The number of steps")


async def long_running_operation(
    ctx: Context,
    duration: Annotated[
        Number,
        Field(
            ge=0,
            le=MAX_SECONDS,
            title="Duration in seconds",
            description="Duration of the operation in seconds",
        ),
    ] = 10,
    steps: Annotated[
        int,
        Field(ge=1, le=MAX_STEPS, title="Number of steps", description="Number of steps in the operation"),
        INTEGER,
    ] = 5,
) -> Annotated[CallToolResult, Operation]:
    for step in range(1, steps + 1):
        await anyio.sleep(duration / steps)
        # Sends nothing if the client gave no progress token.
        await ctx.report_progress(step, steps)
    text = f"Long running operation completed. Duration: {plain(duration)} seconds, Steps: {steps}."
    return text_result(text, Operation(duration=duration, steps=steps))


def register(server: MCPServer) -> None:
    server.add_tool(
        long_running_operation,
        name="longRunningOperation",
        title="Long running operation",
        description="Demonstrates a long running operation with progress updates; it can be cancelled",
        annotations=PURE,
    )
