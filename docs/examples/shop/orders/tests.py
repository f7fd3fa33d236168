# orders/tests.py
from django.contrib.auth.models import Permission, User
from django.test import TransactionTestCase
from mcp.types import ElicitResult
from mcp_app.testing import Client

from orders.models import Order
from orders.resources import orders


class OrderTests(TransactionTestCase):
    def setUp(self):
        self.alice, self.bob = (User.objects.create_user(name) for name in ("alice", "bob"))

    async def test_an_order_is_placed(self):
        async with Client(user=self.alice) as client:
            await client.call_tool("place_order", {"item": "pear", "amount": 2})
            result = await client.call_tool("sold", {"item": "pear"})
        self.assertEqual(result.structured_content, {"result": 2})

    async def test_a_change_reaches_the_owner_and_nobody_else_sees_the_order(self):
        order = await Order.objects.acreate(owner=self.alice, item="pear", amount=2)
        uri = orders.uri(order)
        async with Client(user=self.alice, processes=2) as alice, Client(user=self.bob) as bob:
            async with alice.listen(resource_subscriptions=[uri]) as changes:
                order.state = "shipped"
                await order.asave()
                await anext(changes)
                [content] = (await alice.read_resource(uri)).contents
            self.assertEqual(content.text, "2 x pear: shipped")
            self.assertEqual((await bob.list_resources()).resources, [])

    async def test_only_who_may_ship_sees_the_tool(self):
        await self.bob.user_permissions.aadd(await Permission.objects.aget(codename="ship_order"))
        for user, may_ship in ((self.alice, False), (self.bob, True)):
            async with Client(user=user) as client:
                names = {tool.name for tool in (await client.list_tools()).tools}
                self.assertEqual("ship" in names, may_ship)

    async def test_an_order_is_cancelled_once_the_user_agrees(self):
        async def agree(context, question):
            return ElicitResult(action="accept", content={})

        order = await Order.objects.acreate(owner=self.alice, item="pear", amount=2)
        for revision in ("2025-11-25", "2026-07-28"):
            async with Client(user=self.alice, revision=revision, elicitation_callback=agree) as client:
                result = await client.call_tool("cancel", {"order_id": order.pk})
            self.assertFalse(result.is_error)
            self.assertFalse(await Order.objects.filter(pk=order.pk).aexists())
            await order.asave(force_insert=True)

    async def test_an_order_is_packed(self):
        async with Client(user=self.alice, processes=2) as client:
            order = (await client.call_tool("place_order", {"item": "pear", "amount": 1})).structured_content
            uri = f"order://{order['result']}"
            async with client.listen(resource_subscriptions=[uri]) as changes:
                while "packed" not in (await client.read_resource(uri)).contents[0].text:
                    await anext(changes)
