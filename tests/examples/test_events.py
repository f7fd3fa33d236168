"""docs/examples/events: webhooks that workers deliver, of two processes and to a real endpoint."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from events import extension
from events.models import MAX_ATTEMPTS, Delivery, Subscription
from events.webhooks import PREFIX

from mcp_app import notify
from mcp_app.coordination import keys
from tests.mcp_app.transports.support import Process, modern, text_of, within
from tests.support.processes import free_port
from tests.support.waiting import eventually

KEY = secrets.token_bytes(32)
SECRET = PREFIX + base64.b64encode(KEY).decode()


@dataclass
class Endpoint:
    """A client's endpoint, which keeps what it gets, and answers once the test lets it."""

    url: str
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                headers = dict(map(_field, head))
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append((headers, body))
                await self.go.wait()
                writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % self.status)
                await writer.drain()
        writer.close()

    def events(self) -> list[Any]:
        """The bodies, once their signatures are checked."""
        found = []
        for headers, body in self.got:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{digest}"
            found.append(json.loads(body))
            assert headers["webhook-id"] == found[-1]["eventId"]
        return found


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


@pytest.fixture(autouse=True)
def the_example(mcp_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mcp_settings.MCP_SERVER = "events.mcp.build"
    mcp_settings.MCP_LEASE_SECONDS = 2.0
    monkeypatch.setattr(extension, "POLL_SECONDS", 60.0)  # what arrives was woken up for


@pytest.fixture
async def endpoint(mcp_settings: Any, the_example: None) -> AsyncIterator[Endpoint]:
    port = free_port()
    mcp_settings.EVENTS_ORIGINS = [f"http://127.0.0.1:{port}"]
    endpoint = Endpoint(f"http://127.0.0.1:{port}/hook")
    endpoint.go.set()
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", port)
    yield endpoint
    endpoint.go.set()
    server.close()


@pytest.fixture
async def workers(one: Process, other: Process, endpoint: Endpoint) -> None:
    """Both processes run, and so do their workers."""
    for process in (one, other):
        await process.runtime.start()


async def nothing_waits() -> bool:
    return not await Delivery.objects.aexists()


async def ask(at: Process, user: User, method: str, **params: Any) -> Any:
    return await (await modern(at, method, params, token=str(user.pk))).answer()


async def subscribe(at: Process, user: User, url: str, **changes: Any) -> Any:
    delivery = {"mode": "webhook", "url": url, "secret": SECRET, **changes.pop("delivery", {})}
    return await ask(
        at, user, "events/subscribe", **{"name": "parcel.arrived", "delivery": delivery} | changes
    )


async def test_an_event_of_a_view_is_delivered_once_by_the_workers_of_two_processes(
    workers: None, one: Process, other: Process, alice: User, bob: User, endpoint: Endpoint
) -> None:
    [listed] = (await ask(one, alice, "events/list"))["result"]["events"]
    assert (listed["name"], listed["delivery"]) == ("parcel.arrived", ["webhook"])
    answer = await subscribe(one, alice, endpoint.url)
    await subscribe(other, bob, endpoint.url + "/bob")
    for number in range(5):
        await asyncio.to_thread(extension.emit, alice, "parcel.arrived", {"parcel": str(number)})
    await eventually(lambda: len(endpoint.got) == 5)
    await eventually(nothing_waits)
    events = endpoint.events()
    assert sorted(event["data"]["parcel"] for event in events) == list("01234")
    assert {headers["x-mcp-subscription-id"] for headers, _ in endpoint.got} == {answer["result"]["id"]}


async def test_an_event_of_a_tool_reaches_the_endpoint_of_who_called_it_and_no_other(
    workers: None, one: Process, other: Process, alice: User, bob: User, endpoint: Endpoint
) -> None:
    bobs = (await subscribe(one, bob, endpoint.url))["result"]["id"]
    await subscribe(one, alice, endpoint.url)
    answer = await ask(other, bob, "tools/call", name="receive", arguments={"parcel": "7"})
    assert text_of(answer) == "Parcel 7 has arrived."
    await eventually(nothing_waits)
    assert [headers["x-mcp-subscription-id"] for headers, _ in endpoint.got] == [bobs]


async def test_a_lost_wake_up_costs_no_more_than_the_pause_of_the_workers(
    one: Process, alice: User, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extension, "POLL_SECONDS", 0.05)
    await subscribe(one, alice, endpoint.url)
    monkeypatch.setattr(notify, "publish", lambda topic, payload: None)
    await extension.aemit(alice, "parcel.arrived", {"parcel": "1"})
    await eventually(lambda: len(endpoint.got) == 1)


async def test_a_worker_that_stood_still_for_longer_than_its_lease_writes_nothing_anymore(
    one: Process, other: Process, alice: User, endpoint: Endpoint
) -> None:
    endpoint.status = 500
    endpoint.go.clear()
    await subscribe(one, alice, endpoint.url)  # the only process that runs yet
    await extension.aemit(alice, "parcel.arrived", {"parcel": "1"})
    await eventually(lambda: len(endpoint.got) == 1)
    delivery = await Delivery.objects.aget()
    first = delivery.fence
    await one.runtime.redis.delete(keys.named_lease(f"delivery:{delivery.pk}"))  # it expires
    await other.runtime.start()
    await eventually(lambda: len(endpoint.got) == 2)
    await delivery.arefresh_from_db()
    assert delivery.fence > first
    endpoint.go.set()

    async def is_counted() -> bool:
        return await Delivery.objects.filter(attempts__gt=0).aexists()

    await eventually(is_counted)
    await within(one.stop())  # whatever it still writes
    await delivery.arefresh_from_db()
    assert delivery.attempts == 1
    [event, again] = endpoint.events()
    assert event == again


async def test_a_process_that_is_asked_to_end_finishes_its_delivery(
    one: Process, alice: User, endpoint: Endpoint
) -> None:
    endpoint.go.clear()
    await subscribe(one, alice, endpoint.url)
    await extension.aemit(alice, "parcel.arrived", {"parcel": "1"})
    await eventually(lambda: len(endpoint.got) == 1)
    assert one.runtime.drain
    draining = asyncio.create_task(one.runtime.drain.drain())
    await eventually(lambda: one.runtime.is_draining)
    assert not draining.done()
    endpoint.go.set()
    await within(draining)
    assert await nothing_waits()


@pytest.mark.parametrize(
    ("status", "attempts"), [(500, 1), (410, None)], ids=["tried again later", "given up at once"]
)
async def test_what_becomes_of_an_event_that_is_not_accepted(
    workers: None, one: Process, alice: User, endpoint: Endpoint, status: int, attempts: int | None
) -> None:
    endpoint.status = status
    await subscribe(one, alice, endpoint.url)
    await extension.aemit(alice, "parcel.arrived", {"parcel": "1"})

    async def is_settled() -> bool:
        return not await Delivery.objects.due().aexists()

    await eventually(is_settled)
    left = await Delivery.objects.afirst()
    assert (None if left is None else left.attempts) == attempts
    assert len(endpoint.got) == 1


async def test_an_event_is_given_up_after_some_attempts(
    one: Process, alice: User, endpoint: Endpoint
) -> None:
    endpoint.status = 503
    await subscribe(one, alice, endpoint.url)
    subscription = await Subscription.objects.aget()
    await Delivery.objects.acreate(
        subscription=subscription, payload={"parcel": "1"}, attempts=MAX_ATTEMPTS - 1
    )
    await notify.apublish(extension.EMITTED, {})
    await eventually(nothing_waits)
    assert len(endpoint.got) == 1


async def test_subscribing_again_renews_a_subscription_and_unsubscribing_ends_it(
    one: Process, other: Process, alice: User, endpoint: Endpoint
) -> None:
    ids = {(await subscribe(at, alice, endpoint.url))["result"]["id"] for at in (one, other)}
    assert len(ids) == await Subscription.objects.acount() == 1
    delivery = {"mode": "webhook", "url": endpoint.url}
    answer = await ask(other, alice, "events/unsubscribe", name="parcel.arrived", delivery=delivery)
    assert answer["result"]["resultType"] == "complete"
    assert not await Subscription.objects.aexists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "parcel.lost"}, extension.NOT_FOUND),
        ({"delivery": {"mode": "push"}}, extension.UNSUPPORTED),
        ({"delivery": {"url": "http://169.254.169.254/latest"}}, -32602),
        ({"delivery": {"secret": "short"}}, -32602),
        ({"delivery": {"secret": PREFIX + "c2hvcnQ="}}, -32602),
    ],
    ids=["unknown event", "another way", "another origin", "no secret", "a short secret"],
)
async def test_a_subscription_that_cannot_be_served_is_refused(
    one: Process, alice: User, endpoint: Endpoint, changes: dict[str, Any], code: int
) -> None:
    answer = await subscribe(one, alice, endpoint.url, **changes)
    assert answer["error"]["code"] == code
    assert not await Subscription.objects.aexists()


async def test_a_person_has_a_limited_number_of_subscriptions(
    one: Process, alice: User, bob: User, endpoint: Endpoint
) -> None:
    for number in range(extension.MAX_SUBSCRIPTIONS):
        assert "result" in await subscribe(one, alice, f"{endpoint.url}/{number}")
    assert (await subscribe(one, alice, endpoint.url))["error"]["code"] == extension.RESOURCE_EXHAUSTED
    assert "result" in await subscribe(one, alice, f"{endpoint.url}/0")
    assert "result" in await subscribe(one, bob, endpoint.url)
