from typing import Any

from mcp.server.mcpserver import MCPServer

from events.extension import Events, aemit
from mcp_app.access import aget_user
from mcp_app.server import Engine

ARRIVED = "parcel.arrived"
PARCEL = {"type": "object", "properties": {"parcel": {"type": "string"}}, "required": ["parcel"]}


async def receive(parcel: str) -> str:
    """Notes that a parcel has arrived."""
    await aemit(await aget_user(), ARRIVED, {"parcel": parcel})
    return f"Parcel {parcel} has arrived."


def build(engine: Engine) -> MCPServer[Any]:
    events = Events([(ARRIVED, "One of your parcels has arrived.", PARCEL)])
    server: MCPServer[Any] = MCPServer("parcels", version="1.0", **engine.options(extensions=[events]))
    server.add_tool(receive)
    return server
