"""What the app that issues the tokens withdraws ends in the engine, which does not know that app."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.dispatch import Signal

from mcp_app import withdrawal
from mcp_app.auth.tokens import owner
from mcp_app.coordination.bus import Bus
from mcp_app.coordination.connection import connect
from mcp_app.coordination.directory import Directory
from mcp_app.coordination.layer import channel_layer
from mcp_app.coordination.leases import Leases
from mcp_app.extensions.tasks.store import TaskStore
from mcp_app.sessions import keys
from mcp_app.sessions.store import SessionStore, erase

ISSUER = "https://as.example"


class LocalTokens:
    """A token verifier of the same project, which tells when it no longer accepts what it accepted."""

    access_withdrawn = Signal()

    async def verify_token(self, token: str) -> None:
        return None


class ForeignTokens:
    """One that never learns of that."""

    async def verify_token(self, token: str) -> None:
        return None


@pytest.fixture
def signal() -> Iterator[Signal]:
    yield LocalTokens.access_withdrawn
    LocalTokens.access_withdrawn.disconnect(dispatch_uid="mcp_app.withdrawal")


async def test_the_signal_of_the_configured_verifier_ends_sessions_and_tasks(
    redis_server: str, settings: Any, signal: Signal
) -> None:
    settings.MCP_TOKEN_VERIFIER = f"{__name__}.LocalTokens"
    withdrawal.connect()
    withdrawal.connect()  # a second time changes nothing
    redis, layer, subject, grant = (
        connect(redis_server),
        channel_layer(),
        secrets.token_hex(4),
        secrets.token_hex(8),
    )
    sessions = SessionStore(redis, Bus(layer))
    tasks = TaskStore(redis, Directory(redis, Bus(layer)), Leases(redis))
    theirs = SessionStore.new(owner("editor", ISSUER, subject), subject, "editor")
    elsewhere = SessionStore.new(owner("editor", "https://other.example", subject), subject, "editor")
    for record in (theirs, elsewhere):
        await sessions.create(record)
    task = await tasks.create('["editor",null,"alice"]', "tool", {}, grant=grant)
    try:
        answers = await sync_to_async(signal.send_robust, thread_sensitive=False)(
            sender=None, checksums=[], grants=[grant], ended=[("editor", subject)], issuer=ISSUER
        )
        assert [answer for _, answer in answers] == [None]
        assert not await redis.exists(keys.record(theirs.id))
        assert await redis.exists(keys.record(elsewhere.id)), "the subject of another issuer is another user"
        found = await tasks.get(task.id)
        assert found is not None
        assert found.status == "cancelled"
    finally:
        await erase(redis, elsewhere.id)
        await sessions.aclose()
        await redis.aclose()


@pytest.mark.parametrize("verifier", [f"{__name__}.ForeignTokens", "nowhere.Verifier", ""])
def test_a_verifier_without_the_signal_or_a_missing_one_does_not_keep_a_project_from_starting(
    verifier: str, settings: Any, signal: Signal
) -> None:
    settings.MCP_TOKEN_VERIFIER = verifier
    withdrawal.connect()
    assert not signal.has_listeners()
