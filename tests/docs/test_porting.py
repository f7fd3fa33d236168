"""docs/porting.md: what it shows after porting is served, and does what it did before."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from mcp import Client as SdkClient
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult
from oauth2_provider.models import get_access_token_model

from mcp_app.testing import Client
from tests.docs.markdown import DOCS, blocks

PAGE = "porting.md"
REVISIONS = ["2025-11-25", "2026-07-28"]


@pytest.fixture
def module() -> Iterator[Callable[[str], Any]]:
    """Executes the block of the page that begins with this comment, as a module."""
    made: list[str] = []

    def execute(comment: str) -> Any:
        [code] = [block for block in blocks(PAGE, "python") if block.startswith(f"# {comment}\n")]
        name = re.sub(r"\W", "_", comment)
        sys.modules[name] = found = ModuleType(name)
        made.append(name)
        exec(compile(code, f"{DOCS / PAGE}: {comment}", "exec"), vars(found))
        return found

    yield execute
    for name in made:
        del sys.modules[name]


@pytest.fixture
def alice(transactional_db: None) -> Any:
    return get_user_model().objects.create_user("alice")


async def says_where(context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"street": "Main Street 1"})


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_server_of_fastmcp(module: Any, alice: Any, revision: str) -> None:
    build = module("shop.py, after fastmcp").build
    options: dict[str, Any] = {"elicitation_callback": says_where, "revision": revision, "processes": 2}
    async with Client(build, user=alice, scopes=["shop:write"], **options) as client:
        assert (await client.call_tool("price", {"item": "apple"})).structured_content == {"result": 30}
        unknown = await client.call_tool("price", {"item": "plum"})
        assert unknown.is_error
        assert "There is no plum." in str(unknown.content)
        assert "2 kinds" in str(await client.call_tool("stocktake"))
        assert "pear goes to Main Street 1." in str(await client.call_tool("order", {"item": "pear"}))
        assert "pear" in str(await client.call_tool("last")), "at whatever process"
        assert "alice refunded 7." in str(await client.call_tool("refund", {"number": 7}))
        assert "45" in str(await client.read_resource("price://pear"))
        with pytest.raises(MCPError, match=r"There is no price of plum\."):
            await client.read_resource("price://plum")
        assert "discount on pear" in str(await client.get_prompt("bargain", {"item": "pear"}))


async def test_a_server_of_the_sdk_before_and_after(module: Any, alice: Any) -> None:
    before = module("clock.py, with streamable_http_app")
    after = module("clock.py, after streamable_http_app")
    async with SdkClient(before.server) as old, Client(after.build, user=alice) as new:
        for client in (old, new):
            assert {tool.name for tool in (await client.list_tools()).tools} == {"hours", "rename"}
            assert (await client.call_tool("hours", {"zone": "JST"})).structured_content == {"result": 9}
            unknown = await client.call_tool("hours", {"zone": "Mars"})
            assert unknown.is_error
            assert "There is no time zone Mars." in str(unknown.content)
            assert "called tower" in str(await client.call_tool("rename", {"name": "tower"}))
            assert "clock" in str((await client.read_resource("clock://name")).contents)


async def test_a_server_of_djangorestframework_mcp_server(module: Any, alice: Any) -> None:
    build = module("orders/mcp.py, after djangorestframework-mcp-server").build
    async with Client(build, user=alice) as client:
        placed = await client.call_tool("place_order", {"item": "tea", "amount": 2})
        assert placed.structured_content is not None
        assert {**placed.structured_content, "id": None} == {"id": None, "item": "tea", "amount": 2}
        for refused in ({"item": "tea", "amount": 0}, {"item": "t" * 101, "amount": 2}):
            assert (await client.call_tool("place_order", refused)).is_error


async def test_the_tokens_of_django_oauth_toolkit_stay_valid(module: Any, alice: Any, settings: Any) -> None:
    verifier = module("orders/tokens.py, after djangorestframework-mcp-server").Verifier()
    times = {"valid": timezone.now() + timedelta(hours=1), "expired": timezone.now() - timedelta(seconds=1)}
    for token, expires in times.items():
        await get_access_token_model().objects.acreate(user=alice, token=token, scope="mcp", expires=expires)
    verified = await verifier.verify_token("valid")
    assert (verified.subject, verified.scopes) == (str(alice.pk), ["mcp"])
    assert verified.claims == {"iss": settings.MCP_ISSUER}
    assert await verifier.verify_token("expired") is None
    assert await verifier.verify_token("unknown") is None
