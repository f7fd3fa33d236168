# orders/resources.py
from mcp_app.resources import ModelResources

from orders.models import Order


class OrderResources(ModelResources):
    """order://<pk>, each for its owner."""

    model, scheme, mime_type = Order, "order", "text/plain"

    def get_queryset(self, user):
        return Order.objects.filter(owner=user)

    def get_owner(self, row):
        return row.owner

    def title(self, row):
        return f"Order {row.pk}"

    def text(self, row):
        return str(row)


orders = OrderResources()
