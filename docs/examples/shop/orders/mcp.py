# orders/mcp.py
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ElicitResult, InputRequiredResult
from mcp_app import notify
from mcp_app.access import aget_user, requires
from mcp_app.asking import ask, form
from mcp_app.server import Engine

import shop
from orders.models import Order
from orders.packing import Packing
from orders.resources import orders


async def place_order(item: str, amount: int) -> int:
    """Places an order for the user, and returns its number."""
    if item not in shop.PRICES:
        raise ToolError(f"There is no {item}.")
    order = await Order.objects.acreate(owner=await aget_user(), item=item, amount=amount)
    await notify.apublish("orders.placed", {"order": order.pk})
    return order.pk


def sold(item: str) -> int:
    """How many of an item have been ordered."""
    return sum(Order.objects.filter(item=item).values_list("amount", flat=True))


async def ship(order_id: int) -> str:
    """Ships anybody's order."""
    order = await Order.objects.filter(pk=order_id).afirst()
    if order is None:
        raise ToolError("There is no such order.")
    order.state = "shipped"
    await order.asave()
    return str(order)


async def cancel(ctx: Context, order_id: int) -> str | InputRequiredResult:
    """Cancels an order of the user, who is asked first."""
    order = await Order.objects.filter(owner=await aget_user(), pk=order_id).afirst()
    if order is None:
        raise ToolError("There is no such order.")
    sure = form(f"Cancel {order.amount} x {order.item}?", {"type": "object", "properties": {}})
    answer = await ask(ctx, "sure", sure, ElicitResult)
    if isinstance(answer, InputRequiredResult):
        return answer
    if answer.action != "accept":
        return "Nothing was changed."
    await order.adelete()
    return "Cancelled."


def build(engine: Engine) -> MCPServer:
    server = MCPServer("shop", version="1.0", **engine.options(extensions=[Packing()], resources=[orders]))
    for function in (shop.price, shop.stocktake, place_order, sold, cancel):
        server.add_tool(function)
    server.add_tool(ship, meta=requires(permission="orders.ship_order"))
    return server
