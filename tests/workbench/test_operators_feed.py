"""Who may watch everybody in the machine room: operators with the permission, by the cookie of the admin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from everything_site.workbench import operators_feed
from everything_site.workbench.operators_feed import PATH, with_operators_feed
from mcp_app.coordination.layer import channel_layer
from mcp_app.exceptions import RETRY_AFTER_SECONDS
from mcp_app.monitoring import room
from tests.mcp_app.transports.support import HOST, Process
from tests.support.asgi import PATIENCE, Http, not_found

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def feed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Http]:
    monkeypatch.setattr(room, "BEAT_SECONDS", 0.1)
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    process = Process()
    http = Http(with_operators_feed(not_found, process.runtime))
    yield http
    await http.close()
    await process.stop()
    await channel_layer().flush()


def _operator(*, staff: bool, permitted: bool) -> Client:
    user = User.objects.create_user("someone", is_staff=staff)
    if permitted:
        user.user_permissions.add(Permission.objects.get(codename="view_livesession"))
    client = Client()
    client.force_login(user)
    return client


def _cookie(client: Client) -> str:
    return client.cookies.output(header="", sep=";").split(";")[0].strip()


def _signed_in(*, staff: bool, permitted: bool) -> str:
    return _cookie(_operator(staff=staff, permitted=permitted))


async def ask(feed: Http, cookie: str = "", **headers: str) -> Any:
    return await feed.request("GET", PATH, headers={"host": HOST, "cookie": cookie, **headers})


async def test_an_operator_sees_what_all_processes_do(feed: Http) -> None:
    cookie = await sync_to_async(_signed_in)(staff=True, permitted=True)
    assert cookie.startswith(django_settings.SESSION_COOKIE_NAME)
    response = await ask(feed, cookie)
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    while (block := await response.next_block()) is not None and not block.data:
        pass
    assert block is not None
    assert "state" in block.data


@pytest.mark.parametrize(
    ("staff", "permitted"), [(True, False), (False, True)], ids=["no permission", "no staff"]
)
async def test_others_do_not(feed: Http, staff: bool, permitted: bool) -> None:
    cookie = await sync_to_async(_signed_in)(staff=staff, permitted=permitted)
    assert (await ask(feed, cookie)).status == 403


async def test_nobody_does_without_a_cookie_or_at_another_host(feed: Http) -> None:
    assert (await ask(feed)).status == 403
    assert (await ask(feed, host="evil.example")).status == 421
    assert (await feed.request("POST", PATH, headers={"host": HOST})).status == 405


async def test_a_page_of_another_origin_takes_no_place(feed: Http) -> None:
    cookie = await sync_to_async(_signed_in)(staff=True, permitted=True)
    for origin in ("http://localhost:1", "https://evil.example", "null"):
        assert (await ask(feed, cookie, origin=origin)).status == 403
    assert (await ask(feed, cookie, origin=f"http://{HOST}")).status == 200


async def test_while_the_database_is_unavailable_nobody_does_and_the_page_tries_again(
    feed: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(scope: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(operators_feed, "get_user", unavailable)
    response = await ask(feed, "a-cookie")
    assert response.status == 503
    assert response.headers["retry-after"] == str(RETRY_AFTER_SECONDS)


def _sign_out(operator: Client) -> None:
    operator.logout()


def _take_the_permission(operator: Client) -> None:
    User.objects.get().user_permissions.clear()


def _disable(operator: Client) -> None:
    User.objects.update(is_active=False)


def _change_the_password(operator: Client) -> None:
    user = User.objects.get()
    user.set_password("another")
    user.save()


@pytest.mark.parametrize("end", [_sign_out, _take_the_permission, _disable, _change_the_password])
async def test_who_may_watch_no_longer_sees_no_more(
    feed: Http, monkeypatch: pytest.MonkeyPatch, end: Callable[[Client], None]
) -> None:
    monkeypatch.setattr(operators_feed, "RECHECK_SECONDS", 0.05)
    operator = await sync_to_async(_operator)(staff=True, permitted=True)
    response = await ask(feed, _cookie(operator))
    assert await response.next_block() is not None
    await sync_to_async(end)(operator)
    async with asyncio.timeout(PATIENCE):
        while await response.next_block() is not None:
            pass
