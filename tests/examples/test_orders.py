"""docs/examples/orders: people, rows, permissions and announcements, on two processes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from orders.mcp import OrderResources, orders
from orders.models import Order

from mcp_app import notify
from mcp_app.access import person_of
from mcp_app.resources import ModelResources
from tests.mcp_app.transports.support import MODERN, OLDER, Process, Session, modern, request, text_of
from tests.support.asgi import Response
from tests.support.queries import in_database

REVISIONS = (*OLDER, MODERN)


@pytest.fixture(autouse=True)
def the_example(mcp_settings: Any) -> None:
    mcp_settings.MCP_SERVER = "orders.mcp.build"


def token(user: User, *scopes: str) -> str:
    return "/".join([str(user.pk), *scopes])


@pytest.fixture
def order(alice: User) -> Order:
    return Order.objects.create(owner=alice, item="apples", amount=3)


async def ask(
    at: Process, user: User, method: str, params: Any = None, *, revision: str = MODERN, scopes: Any = ()
) -> Any:
    """The response to one request."""
    who = token(user, *scopes)
    if revision == MODERN:
        return await (await modern(at, method, params, token=who)).answer()
    session = await Session.open(at, who, revision)
    return await (await session.post(at, request(method, params))).answer()


async def call(at: Process, user: User, name: str, arguments: Any, **options: Any) -> Any:
    return await ask(at, user, "tools/call", {"name": name, "arguments": arguments}, **options)


def uris(answer: Any) -> list[str]:
    return [resource["uri"] for resource in answer["result"]["resources"]]


async def test_an_order_is_placed_for_whoever_is_signed_in_and_only_they_see_it(
    one: Process, other: Process, alice: User, bob: User
) -> None:
    uri = text_of(await call(one, alice, "place_order", {"item": "pears", "amount": 2}))
    placed = await in_database(Order.objects.get)
    assert uri == f"order://{placed.pk}"
    for revision in REVISIONS:
        for at in (one, other):
            assert uris(await ask(at, alice, "resources/list", revision=revision)) == [uri]
            assert uris(await ask(at, bob, "resources/list", revision=revision)) == []
    read = await ask(other, alice, "resources/read", {"uri": uri})
    [content] = read["result"]["contents"]
    assert content["text"].startswith(f"# Order {placed.pk}")
    assert content["mimeType"] == "text/markdown"


async def test_whoever_may_refund_refunds_anybodys_order(
    one: Process, alice: User, carol: User, order: Order
) -> None:
    arguments = {"order_id": order.pk}
    assert "error" in await call(one, alice, "refund", arguments, scopes=["orders:write"])
    answer = await call(one, carol, "refund", arguments, scopes=["orders:write"])
    assert text_of(answer) == "Refunded 3 x apples."
    assert (await in_database(Order.objects.get)).is_refunded


# --- Nothing leaks: each attempt at another person's order, and at one that does not exist


ATTEMPTS = {
    "reads it": lambda uri: ("resources/read", {"uri": uri}),
    "completes with a cursor": lambda uri: ("resources/list", {"cursor": cursor(uri.rpartition("/")[2])}),
    "completes its key": lambda uri: (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "order://{pk}"},
            "argument": {"name": "pk", "value": uri.rpartition("/")[2]},
        },
    ),
}


def cursor(key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(["resources", 1, key]).encode()).decode()


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_an_order_of_somebody_else_is_answered_as_one_that_does_not_exist(
    one: Process, other: Process, bob: User, order: Order, attempt: str
) -> None:
    missing = f"order://{order.pk + 1}"
    for revision in REVISIONS:
        for at in (one, other):
            answers = []
            for uri in (orders.uri(order), missing):
                method, params = ATTEMPTS[attempt](uri)
                answer = json.dumps(await ask(at, bob, method, params, revision=revision))
                answers.append(answer.replace(uri, "URI"))
            assert answers[0] == answers[1]


@pytest.mark.parametrize("revision", OLDER)
async def test_nobody_subscribes_to_an_order_of_somebody_else(
    one: Process, alice: User, bob: User, order: Order, revision: str
) -> None:
    session = await Session.open(one, token(bob), revision)
    for uri in (orders.uri(order), f"order://{order.pk + 1}"):
        answer = await (await session.post(one, request("resources/subscribe", {"uri": uri}))).answer()
        assert answer["error"]["code"] == -32002
        assert answer["error"]["message"] == f"Unknown resource: {uri}"
    owner = await Session.open(one, token(alice), revision)
    subscribe = request("resources/subscribe", {"uri": orders.uri(order)})
    assert "result" in await (await owner.post(one, subscribe)).answer()


async def test_nobody_listens_for_an_order_of_somebody_else(
    one: Process, alice: User, bob: User, order: Order
) -> None:
    wanted = [orders.uri(order), f"order://{order.pk + 1}", "order://x"]
    for user, honored in ((alice, wanted[:1]), (bob, [])):
        stream = await listen(one, user, *wanted)
        acknowledged = await stream.next_message()
        notifications = acknowledged["params"]["notifications"]
        assert notifications.get("resourceSubscriptions", []) == honored


OTHER_SPELLINGS = ["01", "+1", "1.0", "1 ", "1/", "1#", "%31", "\u0661"]
NO_KEYS = ["", "x", "9" * 40, "9" * 1000, "1\0", "%00", "%", "\ud800"]


async def test_an_order_has_one_uri_only(one: Process, alice: User, order: Order) -> None:
    await in_database(lambda: Order.objects.update(id=1))
    session = await Session.open(one, token(alice))  # of a revision in which no header repeats its URIs

    async def ask(method: str, params: Any) -> Any:
        return await (await session.post(one, request(method, params))).answer()

    assert "result" in await ask("resources/read", {"uri": "order://1"})
    for key in OTHER_SPELLINGS + NO_KEYS:
        for method in ("resources/read", "resources/subscribe"):
            answer = await ask(method, {"uri": f"order://{key}"})
            assert answer["error"]["code"] == -32002, key
        answer = await ask("resources/list", {"cursor": cursor(key)})
        assert "result" in answer or answer["error"]["message"].startswith("Invalid cursor"), key


async def test_many_orders_come_in_pages_of_which_each_asks_for_its_own_only(
    one: Process, alice: User, bob: User
) -> None:
    def place() -> None:
        for number in range(25):
            Order.objects.create(owner=(alice, bob)[number % 2], item="apples", amount=number + 1)

    await in_database(place)
    found: list[str] = []
    params: dict[str, Any] = {}
    while True:
        answer = await ask(one, alice, "resources/list", params)
        found += uris(answer)
        if "nextCursor" not in answer["result"]:
            break
        params = {"cursor": answer["result"]["nextCursor"]}
    own = Order.objects.filter(owner=alice).order_by("pk")
    assert found == [orders.uri(row) for row in await in_database(list, own)]
    assert len(found) == 13


async def test_suggestions_are_the_keys_of_ones_own_orders(one: Process, alice: User, order: Order) -> None:
    method, params = ATTEMPTS["completes its key"](orders.uri(order)[:-1])
    answer = await ask(one, alice, method, params)
    assert answer["result"]["completion"]["values"] == [str(order.pk)]


# --- Announcements


async def listen(at: Process, user: User, *wanted: str) -> Response:
    """A listen stream of 2026-07-28."""
    notifications = {"resourceSubscriptions": list(wanted), "resourcesListChanged": True}
    return await modern(at, "subscriptions/listen", {"notifications": notifications}, token=token(user))


class Ear:
    """What one person hears at one process, in a session and in a listen stream."""

    def __init__(self, session: Response, stream: Response) -> None:
        self._streams = (session, stream)

    @classmethod
    async def open(cls, at: Process, user: User, *wanted: str) -> Ear:
        """Subscribe to the resources, and listen for changes of the list."""
        session = await Session.open(at, token(user))
        for uri in wanted:
            subscribed = await session.post(at, request("resources/subscribe", {"uri": uri}))
            assert "result" in await subscribed.answer()
        standalone, stream = await session.listen(at), await listen(at, user, *wanted)
        await stream.next_message()
        return cls(standalone, stream)

    async def next(self, count: int) -> set[str]:
        """The next changes, which are the same on both."""
        heard = []
        for stream in self._streams:
            messages = [await stream.next_message() for _ in range(count)]
            heard.append({named(message) for message in messages})
        assert heard[0] == heard[1]
        return heard[0]


def named(message: Any) -> str:
    return message["params"]["uri"] if message["method"].endswith("updated") else "list"


async def nothing_more(ear: Ear, user: User) -> None:
    """Nothing came before what is announced now."""
    await notify.aresources_changed(key(user))
    assert await ear.next(1) == {"list"}


def key(user: User) -> str:
    """Whom clients know the user as."""
    person = person_of(user)
    assert person is not None
    return person.key


async def test_a_row_and_the_list_are_announced_to_their_owner_at_every_process_and_to_nobody_else(
    one: Process, other: Process, alice: User, bob: User, order: Order
) -> None:
    uri = orders.uri(order)
    ears = [await Ear.open(at, alice, uri) for at in (one, other)]
    strangers = [await Ear.open(at, bob) for at in (one, other)]
    await in_database(order.save)
    for ear in ears:
        assert await ear.next(2) == {uri, "list"}
    await call(one, alice, "place_order", {"item": "pears", "amount": 1})
    for ear in ears:
        assert await ear.next(1) == {"list"}
    await in_database(order.delete)
    for ear in ears:
        assert await ear.next(2) == {uri, "list"}
    for stranger in strangers:
        await nothing_more(stranger, bob)


class SharedOrders(OrderResources):
    """Support sees all orders; those without an item are in nobody's list."""

    def __init__(self, support: User) -> None:
        self.support = support

    def get_owner(self, row: Order) -> Any:
        return row.owner if row.item else None

    def get_viewers(self, row: Order) -> list[Any]:
        return [*super().get_viewers(row), self.support]


def test_viewers_are_told_of_a_row_and_its_owner_alone_of_the_list(
    alice: User, carol: User, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("mcp_app.resources.announce", lambda changes, using: told.extend(changes))
    shared = SharedOrders(carol)
    row = ResourceUpdated(uri=orders.uri(order))
    shared.saved(Order, order)
    assert told == [(row, key(alice)), (row, key(carol)), (ResourcesListChanged(), key(alice))]
    told.clear()
    order.item = ""
    shared.saved(Order, order)
    assert told == [(row, key(carol))]


@pytest.mark.parametrize("method", ["get_queryset", "get_owner", "text"])
def test_a_method_that_was_not_written_is_named_with_its_class(method: str) -> None:
    class Orders(ModelResources):
        model, scheme = Order, "order"

    with pytest.raises(NotImplementedError, match=rf"{method}\(self, .*Orders"):
        getattr(Orders(), method)(None)


async def test_a_change_is_announced_after_its_commit_only(one: Process, alice: User, order: Order) -> None:
    ear = await Ear.open(one, alice, orders.uri(order))

    def roll_back() -> None:
        with transaction.atomic():
            order.save()
            transaction.set_rollback(True)

    await in_database(roll_back)
    await nothing_more(ear, alice)


async def test_a_row_that_changes_hands_is_gone_for_its_former_owner_who_hears_no_more_of_it(
    one: Process, alice: User, bob: User, order: Order
) -> None:
    uri = orders.uri(order)
    former, new = await Ear.open(one, alice, uri), await Ear.open(one, bob)

    bobs = await in_database(Order.objects.get)
    bobs.owner = bob
    await in_database(bobs.save)
    assert await former.next(2) == {uri, "list"}
    assert await new.next(1) == {"list"}
    assert "error" in await ask(one, alice, "resources/read", {"uri": uri})
    assert "result" in await ask(one, bob, "resources/read", {"uri": uri})
    await in_database(bobs.save)
    assert await new.next(1) == {"list"}
    await nothing_more(former, alice)


async def test_rows_that_go_with_their_owner_are_no_error(alice: User, order: Order) -> None:
    await in_database(alice.delete)
    assert not await in_database(Order.objects.exists)


async def test_a_refund_by_somebody_else_reaches_the_owner(
    one: Process, other: Process, alice: User, carol: User, order: Order
) -> None:
    ear = await Ear.open(other, alice, orders.uri(order))
    await call(one, carol, "refund", {"order_id": order.pk}, scopes=["orders:write"])
    assert await ear.next(2) == {orders.uri(order), "list"}


async def test_fixtures_are_loaded_in_silence(one: Process, alice: User, order: Order, tmp_path: Any) -> None:
    ear = await Ear.open(one, alice, orders.uri(order))
    path = tmp_path / "orders.json"

    def load() -> None:
        call_command("dumpdata", "orders", output=str(path))
        call_command("loaddata", str(path), verbosity=0)

    await in_database(load)
    await nothing_more(ear, alice)
