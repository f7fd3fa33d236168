"""Who may use a tool, and which user of the project a person is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import OperationalError
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer

from mcp_app.access import (
    InsufficientScope,
    Person,
    ToolAccess,
    aget_user,
    current_person,
    person_of,
    requires,
    unlisted,
)
from mcp_app.auth.scopes import covers
from mcp_app.auth.tokens import Principal
from mcp_app.conf import conf
from mcp_app.database import OwnThread
from mcp_app.exceptions import Unavailable
from mcp_app.server import Engine
from tests.support.engine import make_engine
from tests.support.queries import in_database, watched_database
from tests.support.tokens import ISSUER


@pytest.fixture(autouse=True)
def mcp_settings(settings: Any) -> Any:
    settings.MCP_ISSUER = ISSUER
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    return settings


@contextmanager
def signed_in(
    subject: str | None, issuer: str = ISSUER, scopes: tuple[str, ...] = ("mcp",)
) -> Iterator[None]:
    """As within a request of this person."""
    token = AccessToken(token="t", client_id="c", scopes=["mcp"], subject=subject, claims={"iss": issuer})
    context = auth_context_var.set(Principal(token))
    try:
        yield
    finally:
        auth_context_var.reset(context)


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [
        ({"mcp"}, {"mcp"}, True),
        ({"mcp", "profile"}, {"mcp"}, True),
        ({"mcp"}, {"mcp:admin"}, False),
        ({"mcp:admin"}, {"mcp:admin", "mcp"}, True),  # the broader one implies the narrower
        ({"mcp:administrator"}, {"mcp"}, False),
        (set(), {"mcp"}, False),
        (set(), set(), True),
    ],
)
def test_broader_scopes_imply_narrower_ones(held: set[str], needed: set[str], enough: bool) -> None:
    assert covers(held, needed) is enough


def test_a_project_says_which_scopes_imply_which(settings):
    settings.MCP_IMPLIED_SCOPES = {"orders:write": "orders:read mcp"}
    assert covers({"orders:write"}, {"orders:read", "mcp"})
    assert not covers({"mcp:admin"}, {"mcp"})


async def nothing() -> str:
    return ""


def server_with(**metas: Any) -> tuple[MCPServer[Any], Engine]:
    """A server with tools that do nothing, by name and `meta`."""

    def build(engine: Engine) -> MCPServer[Any]:
        server = MCPServer("test", **engine.options())
        for name, meta in metas.items():
            server.add_tool(nothing, name=name, meta=meta)
        return server

    engine = make_engine()
    return engine.build(build), engine


async def needed(access: ToolAccess, method: str, params: Any) -> list[str]:
    """The scopes that a request needs in addition to those of every request."""
    try:
        await access.ensure_scopes(conf.required_scopes, method, params)
    except InsufficientScope as error:
        return list(error.needed)[len(conf.required_scopes) :]
    return []


async def test_a_tool_says_which_scopes_it_needs() -> None:
    _, engine = server_with(plain=None, guarded=requires(scopes=["mcp:admin"]))
    access = engine.access
    assert await needed(access, "tools/call", {"name": "guarded"}) == ["mcp:admin"]
    assert not await needed(access, "tools/call", {"name": "plain"})
    assert not await needed(access, "tools/call", {"name": "unknown"})
    assert not await needed(access, "tools/list", {"name": "guarded"})
    for params in (None, {}, {"name": None}, {"name": ["guarded"]}):
        assert not await needed(access, "tools/call", params)


async def test_a_tool_that_is_added_later_or_replaced_is_guarded_too() -> None:
    server, engine = server_with()
    assert not await needed(engine.access, "tools/call", {"name": "late"})
    server.add_tool(nothing, name="late", meta=requires(scopes=["a"]))
    assert await needed(engine.access, "tools/call", {"name": "late"}) == ["a"]
    server.remove_tool("late")
    server.add_tool(nothing, name="late", meta=requires(scopes=["b"]))
    assert await needed(engine.access, "tools/call", {"name": "late"}) == ["b"]


async def test_a_token_without_a_scope_is_told_all_that_the_tool_requires() -> None:
    _, engine = server_with(guarded=requires(scopes=["a", "b"]))
    with pytest.raises(InsufficientScope, match="This requires the scope b, which the token does not have"):
        await engine.access.ensure_scopes(["mcp", "a"], "tools/call", {"name": "guarded"})
    with pytest.raises(InsufficientScope) as refused:
        await engine.access.ensure_scopes(["mcp"], "tools/call", {"name": "guarded"})
    assert refused.value.needed == ("mcp", "a", "b")
    await engine.access.ensure_scopes(["mcp", "a", "b"], "tools/call", {"name": "guarded"})


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({}, ValueError, "leave it out for everybody"),
        ({"scopes": []}, ValueError, "leave it out for everybody"),
        ({"scopes": "orders:write"}, TypeError, "not the string 'orders:write'"),
        ({"permission": "refund_order"}, ValueError, "app_label.codename, not 'refund_order'"),
        ({"permission": ""}, ValueError, "app_label.codename"),
    ],
)
def test_a_rule_that_says_nothing_is_refused_where_it_is_written(
    arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        requires(**arguments)


async def always(person: Person) -> bool:
    return True


async def test_clients_see_the_scopes_of_a_rule_and_nothing_else_of_it() -> None:
    server, _ = server_with(guarded=requires(scopes=["a"], permission="secret.permission", when=always))
    [tool] = await server.list_tools()
    assert json.loads(tool.model_dump_json(by_alias=True))["_meta"] == {"everything-server/scopes": ["a"]}


async def test_a_tool_that_is_not_listed_can_be_called_and_keeps_its_rule() -> None:
    engine = server_with(refund={**requires(scopes=["shop:write"]), **unlisted()}, plain=None)[1]
    listed = [tool.name for tool in await engine.access.visible(await engine.server.list_tools())]
    assert listed == ["plain"]
    assert await engine.access.exists("refund")
    with pytest.raises(InsufficientScope):
        await engine.access.ensure_scopes(["mcp"], "tools/call", {"name": "refund"})


# --- Permissions


PERMISSION = "auth.view_group"
"""One that Django's own app has."""


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob", password="pw")


def disable(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def give(user: User, permission: str = PERMISSION) -> None:
    label, codename = permission.split(".")
    user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))


async def sees(engine: Engine, user: User, name: str = "refund") -> bool:
    """Whether a tool exists for a user, whether it is listed or called."""
    with signed_in(str(user.pk)):
        listed = [tool.name for tool in await engine.access.visible(await engine.server.list_tools())]
        exists = await engine.access.exists(name)
    assert exists is (name in listed)
    return exists


def guarded_by_permission() -> Engine:
    return server_with(refund=requires(permission=PERMISSION), plain=None)[1]


async def test_a_tool_exists_for_those_with_its_permission_only(alice: User, bob: User) -> None:
    await in_database(give, alice)
    engine = guarded_by_permission()
    assert await sees(engine, alice)
    assert not await sees(engine, bob)
    assert await sees(engine, bob, "plain")


async def test_permissions_of_groups_and_of_superusers_count(alice: User, bob: User) -> None:
    def prepare() -> None:
        group = Group.objects.create(name="support")
        group.permissions.add(Permission.objects.get(codename="view_group"))
        alice.groups.add(group)
        User.objects.filter(pk=bob.pk).update(is_superuser=True)

    await in_database(prepare)
    engine = guarded_by_permission()
    assert await sees(engine, alice)
    assert await sees(engine, bob)


async def test_inactive_unknown_and_anonymous_people_have_no_permissions(alice: User) -> None:
    await in_database(give, alice)
    await in_database(disable, alice)
    engine = guarded_by_permission()
    assert not await sees(engine, alice)
    for subject in ("4711", "alice", f"0{alice.pk}", None):
        with signed_in(subject):
            assert not await engine.access.exists("refund")
    assert not await engine.access.exists("refund")


async def test_whoever_loses_a_permission_loses_the_tool_when_the_copies_have_expired(
    alice: User, settings: Any
) -> None:
    await in_database(give, alice)
    engine = guarded_by_permission()
    assert await sees(engine, alice)
    await in_database(alice.user_permissions.clear)
    assert await sees(engine, alice)
    settings.MCP_CACHE_SECONDS = 0.0
    assert not await sees(engine, alice)


async def test_hidden_and_unknown_tools_cost_the_same_queries_and_leave_no_connection(
    alice: User, bob: User
) -> None:
    await in_database(give, alice)
    made: list[int] = []
    for name, user in (("refund", bob), ("unknown", bob), ("refund", alice)):
        engine = guarded_by_permission()
        with watched_database() as database, signed_in(str(user.pk)):
            assert await engine.access.exists(name) is (user is alice)
            assert not await engine.access.exists("another")
        assert database.still_open == []
        made.append(len(database.queries))
    assert made == [made[0]] * 3
    assert made[0] > 0


async def test_a_tool_without_a_rule_costs_no_query(alice: User) -> None:
    engine = guarded_by_permission()
    with watched_database() as database, signed_in(str(alice.pk)):
        assert await engine.access.exists("plain")
    assert database.connections == []


async def test_where_nothing_is_hidden_an_unknown_tool_costs_no_query(alice: User) -> None:
    engine = server_with(scoped=requires(scopes=["a"]))[1]
    with watched_database() as database, signed_in(str(alice.pk)):
        assert not await engine.access.exists("unknown")
        assert await sees(engine, alice, "scoped")
    assert database.connections == []


async def test_a_function_decides_about_a_person_and_may_use_the_database(alice: User, bob: User) -> None:
    async def is_alice(person: Person) -> bool:
        return bool((await aget_user(person)).username == "alice")

    engine = server_with(refund=requires(when=is_alice))[1]
    with watched_database() as database:
        assert await sees(engine, alice)
        assert not await sees(engine, bob)
        assert not await engine.access.exists("refund")  # nobody is signed in: `aget_user` raises
    assert len(database.connections) > 0
    assert database.still_open == []


async def test_permission_and_function_must_both_agree(alice: User) -> None:
    async def never(person: Person) -> bool:
        return False

    await in_database(give, alice)
    rules = {
        "both": requires(permission=PERMISSION, when=always),
        "denied": requires(permission=PERMISSION, when=never),
        "lacking": requires(permission="auth.add_group", when=always),
    }
    engine = server_with(**rules)[1]
    assert [name for name in rules if await sees(engine, alice, name)] == ["both"]


async def test_a_function_that_fails_or_hangs_hides_its_tool_and_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(person: Person) -> bool:
        raise ZeroDivisionError

    async def hangs(person: Person) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr("mcp_app.access._WHEN_SECONDS", 0.01)
    metas = {"failing": requires(when=fails), "hanging": requires(when=hangs), "good": requires(when=always)}
    engine = server_with(**metas)[1]
    assert [name for name in metas if await engine.access.exists(name)] == ["good"]
    assert caplog.text.count("the rule of a tool failed, which hides the tool") == 2


async def test_an_outage_is_no_refusal(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any) -> None:
        raise OperationalError("away")

    async def asks(person: Person) -> bool:
        raise OperationalError("away")

    monkeypatch.setattr("mcp_app.access.find_user", away)
    for rule in (requires(permission=PERMISSION), requires(when=asks)):
        engine = server_with(refund=rule)[1]
        with signed_in(str(alice.pk)), pytest.raises(Unavailable):
            await engine.access.exists("refund")


# --- Users


async def user_of_call(subject: str | None, issuer: str = ISSUER) -> User:
    """What `aget_user` returns within a call of this person."""
    async with OwnThread():
        with signed_in(subject, issuer):
            user: User = await aget_user()
            assert await asyncio.create_task(aget_user()) == user
    return user


async def test_the_user_of_a_call_is_found(alice: User) -> None:
    assert await user_of_call(str(alice.pk)) == alice
    with signed_in(str(alice.pk)):
        assert current_person() == person_of(alice)


async def test_nobody_and_the_inactive_are_no_users(alice: User) -> None:
    await in_database(disable, alice)
    for subject in (str(alice.pk), "4711", "x", "1\0", None):
        with pytest.raises(PermissionDenied, match="No active user"):
            await user_of_call(subject)


async def test_a_subject_of_another_issuer_is_not_the_user_of_that_number(alice: User, settings: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="MCP_PERSON_TO_USER"):
        await user_of_call(str(alice.pk), "https://other.example")
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"  # whose subjects are not users
    with pytest.raises(ImproperlyConfigured, match="MCP_PERSON_TO_USER"):
        await user_of_call(str(alice.pk))
    with pytest.raises(ImproperlyConfigured, match="MCP_USER_TO_PERSON"):
        person_of(alice)


def by_username(person: Person) -> User | None:
    return User.objects.filter(username=person.subject).first() if person.issuer == OTHER else None


def with_username(user: User) -> Person | None:
    return Person(OTHER, user.username) if user.username != "bob" else None


OTHER = "https://other.example"


async def test_a_project_says_which_users_the_subjects_of_another_issuer_are(
    alice: User, bob: User, settings: Any
) -> None:
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    settings.MCP_PERSON_TO_USER = f"{__name__}.by_username"
    settings.MCP_USER_TO_PERSON = f"{__name__}.with_username"
    await in_database(give, alice)
    engine = guarded_by_permission()
    assert await user_of_call("alice", OTHER) == alice
    with signed_in("alice", OTHER):
        assert await engine.access.exists("refund")
        assert person_of(alice) == current_person()
    with pytest.raises(PermissionDenied):
        await user_of_call("alice")
    assert person_of(bob) is None
