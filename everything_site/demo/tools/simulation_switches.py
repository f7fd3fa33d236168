"""Tools that stop and start the simulated notifications of a session (see `simulations`).

The simulations are enabled by default, as in the reference server, so the first call stops one. At
2026-07-28 there are no sessions: the tools are not listed, and calling one returns an error.
"""

from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ToolAnnotations
from mcp.types.version import LATEST_HANDSHAKE_VERSION
from pydantic import BaseModel, Field

from everything_site.demo.simulations import (
    LOG_INTERVAL,
    LOGGING_OFF,
    STDERR_INTERVAL,
    UPDATE_INTERVAL,
    UPDATES_OFF,
)
from everything_site.demo.tools.results import text_result
from mcp_app.server import UNTIL, find_session

# Each call toggles a switch of this session.
TOGGLING = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
)


class Simulation(BaseModel):
    """Whether notifications are simulated."""

    running: bool = Field(description="Whether they are, from now on")


async def _turn(ctx: Context, switch: str, what: str, how_often: str) -> CallToolResult:
    session = find_session(ctx.request_context)
    if session is None:
        raise ToolError("simulations belong to a session, and this request has none")
    if await session.data.delete(switch):
        return text_result(
            f"Started simulated {what} for this session, {how_often}.", Simulation(running=True)
        )
    await session.data.set(switch, b"")
    return text_result(f"Stopped simulated {what} for this session.", Simulation(running=False))


async def toggle_simulated_logging(ctx: Context) -> Annotated[CallToolResult, Simulation]:
    how_often = f"one every {LOG_INTERVAL} seconds and one every {STDERR_INTERVAL} seconds"
    return await _turn(ctx, LOGGING_OFF, "log messages and stderr lines", how_often)


async def toggle_subscriber_updates(ctx: Context) -> Annotated[CallToolResult, Simulation]:
    return await _turn(
        ctx, UPDATES_OFF, "updates of subscribed resources", f"one every {UPDATE_INTERVAL} seconds"
    )


def register(server: MCPServer) -> None:
    server.add_tool(
        toggle_simulated_logging,
        name="toggle-simulated-logging",
        title="Toggle simulated logging",
        description="Stops or starts the simulated log messages and stderr lines of this session "
        "(up to 2025-11-25)",
        annotations=TOGGLING,
        meta={UNTIL: LATEST_HANDSHAKE_VERSION},
    )
    server.add_tool(
        toggle_subscriber_updates,
        name="toggle-subscriber-updates",
        title="Toggle subscriber updates",
        description="Stops or starts the simulated resource updates of this session (up to 2025-11-25)",
        annotations=TOGGLING,
        meta={UNTIL: LATEST_HANDSHAKE_VERSION},
    )
