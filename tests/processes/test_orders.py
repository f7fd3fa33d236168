"""docs/examples/orders on two real processes: two people sign in, and each has their own rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.mcp_app.transports.support import request, text_of
from tests.processes.support import Person, Reply, Session, Site, start
from tests.support import proxy
from tests.support.processes import ServerProcess, free_port, installation
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def shop() -> Iterator[Site]:
    """Two processes that serve the example."""
    front = proxy.RoundRobinProxy([], port=free_port())
    with ExitStack() as stack:
        made = stack.enter_context(installation(front.url, DJANGO_SETTINGS_MODULE="tests.examples.site"))
        made.run("migrate", "--verbosity", "0")  # adds the tables of the example
        servers = [ServerProcess(made) for _ in range(2)]
        for server in servers:
            stack.callback(server.kill)
        start(*servers)
        front.ports = [server.port for server in servers]
        stack.enter_context(proxy.running(front))
        yield Site(made, servers, front)


@pytest.fixture
async def people(shop: Site) -> AsyncIterator[tuple[Person, Person]]:
    """Alice and Bob, who have signed in."""
    made = [Person(await shop.sign_in(name)) for name in ("alice", "bob")]
    yield made[0], made[1]
    for person in made:
        await person.leave()


async def in_a_command(shop: Site, code: str) -> None:
    """Run code in a process of its own, in which no engine runs."""
    await asyncio.to_thread(
        shop.installation.run, "shell", "-v", "0", "-c", f"from orders.models import *\n{code}"
    )


async def uris(session: Session, at: str) -> list[str]:
    answer = await (await session.post(at, request("resources/list"))).answer()
    return [resource["uri"] for resource in answer["result"]["resources"]]


async def changes(stream: Reply, count: int) -> list[str]:
    messages = [await stream.next_message() for _ in range(count)]
    return sorted(message["params"].get("uri", "list") for message in messages)


async def test_each_person_has_their_own_rows_and_hears_of_no_others(
    shop: Site, people: tuple[Person, Person]
) -> None:
    one, other = (server.url for server in shop.servers)
    alice, bob = [await person.open(one) for person in people]
    uri = text_of(await alice.call(one, "place_order", {"item": "pears", "amount": 2}))
    own = text_of(await bob.call(other, "place_order", {"item": "apples", "amount": 1}))
    for at in (one, other):
        assert await uris(alice, at) == [uri]
        assert await uris(bob, at) == [own]
    for session, wanted in ((alice, uri), (bob, own)):
        answer = await (await session.post(one, request("resources/subscribe", {"uri": wanted}))).answer()
        assert "result" in answer
    refused = await (await bob.post(one, request("resources/subscribe", {"uri": uri}))).answer()
    assert refused["error"]["code"] == -32002

    streams = [await session.listen(other) for session in (alice, bob)]
    await in_a_command(shop, "[each.save() for each in Order.objects.filter(item='pears')]")
    assert await changes(streams[0], 2) == ["list", uri]
    await in_a_command(shop, "[each.save() for each in Order.objects.filter(item='apples')]")
    assert await changes(streams[1], 2) == ["list", own]  # and nothing before


async def test_a_permission_that_is_given_or_taken_shows_and_hides_the_tool_at_every_process(
    shop: Site, people: tuple[Person, Person]
) -> None:
    one, other = (server.url for server in shop.servers)
    alice = await people[0].open(one)

    async def sees(at: str) -> Any:
        answer = await (await alice.post(at, request("tools/list"))).answer()
        return "refund" in [tool["name"] for tool in answer["result"]["tools"]]

    async def is_seen() -> bool:
        return await sees(one) and await sees(other)

    async def is_hidden() -> bool:
        return not await sees(one) and not await sees(other)

    user = (
        "from django.contrib.auth.models import User, Permission\n"
        "permissions = User.objects.get(username__startswith='alice').user_permissions\n"
    )
    assert await is_hidden()
    await in_a_command(shop, f"{user}permissions.add(Permission.objects.get(codename='refund_order'))")
    await eventually(is_seen)
    refused = await alice.post(one, request("tools/call", {"name": "refund", "arguments": {"order_id": 1}}))
    assert refused.status == 403
    assert 'scope="mcp orders:write"' in refused.headers["www-authenticate"]
    await in_a_command(shop, f"{user}permissions.clear()")
    await eventually(is_hidden)
    unknown = await alice.call(other, "refund", {"order_id": 1})
    assert unknown["error"] == {"code": -32602, "message": "Unknown tool: refund"}
