# orders/management/commands/ship_all.py
from django.core.management.base import BaseCommand
from mcp_app import notify

from orders.models import Order
from orders.resources import orders


class Command(BaseCommand):
    def handle(self, **options):
        placed = list(Order.objects.filter(state="placed"))
        Order.objects.filter(pk__in=[order.pk for order in placed]).update(state="shipped")
        for order in placed:
            notify.resource_updated(orders.uri(order))
