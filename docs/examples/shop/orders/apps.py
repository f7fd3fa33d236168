# orders/apps.py
from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self):
        from orders.resources import orders

        orders.connect()  # announces what is saved and deleted, after the commit
