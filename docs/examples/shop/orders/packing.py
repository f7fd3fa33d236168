# orders/packing.py
from mcp_app.server import Extension

from orders.models import Order


class Packing(Extension):
    identifier = "com.example/packing"

    async def run(self):
        with self.engine.bus.listen("orders.placed") as placed:
            while True:
                async with self.engine.leases.try_hold("packing") as lease:
                    if lease is not None:
                        async for order in Order.objects.filter(state="placed"):
                            order.state = "packed"
                            await order.asave()
                await placed.wait(5)  # a lost message costs five seconds
