# test_shop.py
from django.test import TestCase
from mcp_app.testing import Client


class ShopTests(TestCase):
    async def test_a_price(self):
        async with Client(processes=2) as client:
            result = await client.call_tool("price", {"item": "pear"})
        self.assertEqual(result.structured_content, {"result": 45})
