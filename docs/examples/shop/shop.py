# shop.py
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_app.server import Engine

PRICES = {"apple": 30, "pear": 45}


async def price(item: str) -> int:
    """The price of an item, in cents."""
    if item not in PRICES:
        raise ToolError(f"There is no {item}.")
    return PRICES[item]


async def stocktake(ctx: Context) -> str:
    """Counts everything and reports progress."""
    for done, item in enumerate(PRICES, 1):
        await ctx.report_progress(done, len(PRICES), item)
    return f"{len(PRICES)} kinds"


def build(engine: Engine) -> MCPServer:
    server = MCPServer("shop", version="1.0", **engine.options())
    server.add_tool(price)
    server.add_tool(stocktake)
    return server
