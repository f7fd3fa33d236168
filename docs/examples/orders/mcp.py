from typing import Any

from django.db.models import QuerySet
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from mcp_app.access import aget_user, requires
from mcp_app.resources import ModelResources
from mcp_app.server import Engine
from orders.models import Order


class OrderResources(ModelResources):
    """order://<pk>, each for its owner."""

    model, scheme, mime_type = Order, "order", "text/markdown"

    def get_queryset(self, user: Any) -> QuerySet[Order]:
        return Order.objects.filter(owner=user)

    def get_owner(self, row: Order) -> Any:
        return row.owner

    def title(self, row: Order) -> str:
        return f"Order {row.pk}: {row.item}"

    def text(self, row: Order) -> str:
        return row.as_markdown()


orders = OrderResources()


async def place_order(item: str, amount: int) -> str:
    """Places an order for the person who is signed in."""
    order = await Order.objects.acreate(owner=await aget_user(), item=item, amount=amount)
    return orders.uri(order)


async def refund(order_id: int) -> str:
    """Refunds anybody's order."""
    try:
        order = await Order.objects.aget(pk=order_id)
    except Order.DoesNotExist:
        raise ToolError(f"There is no order {order_id}.") from None
    await order.arefund()
    return f"Refunded {order.amount} x {order.item}."


def build(engine: Engine) -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("orders", version="1.0", **engine.options(resources=[orders]))
    server.add_tool(place_order)
    server.add_tool(refund, meta=requires(permission="orders.refund_order", scopes=["orders:write"]))
    return server
