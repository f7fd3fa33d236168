"""The page of connected apps says how many sessions each has now, and what to do if there are none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from everything_site.templatetags import live_sessions
from mcp_app.exceptions import Store, Unavailable
from mcp_app.monitoring.sessions import connected
from mcp_app.sessions import keys
from mcp_app.sessions.record import SessionRecord
from mcp_app.sessions.store import SessionStore
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db

PATH = "/connections"


@pytest.fixture
def open_session(redis_server: str) -> Callable[[Any, str], None]:
    """Puts a session of a user with a client into Redis."""

    def open_session(user: Any, client_id: str) -> None:
        record = SessionRecord(
            id=SessionStore.new_id(),
            owner=json.dumps([client_id, flow.ISSUER, str(user.pk)]),
            created_at=time.time(),
            user=user.get_username(),
            client=client_id,
        )
        with connected() as redis:
            redis.hset(keys.record(record.id), mapping=record.to_fields())  # type: ignore[arg-type]
            redis.zadd(keys.sessions_of(record.owner), {record.id: record.created_at})
            for key in (keys.record(record.id), keys.sessions_of(record.owner)):
                redis.expire(key, 60)

    return open_session


@pytest.fixture
def alice() -> Any:
    return flow.connect("alice")


def sessions_shown(http: Any) -> str:
    _, _, rest = http.get(PATH).content.decode().partition("<dt>Sessions now</dt><dd>")
    return rest.partition("</dd>")[0]


def test_it_counts_the_sessions_of_this_user_with_this_app(
    alice: Any, open_session: Callable[[Any, str], None]
) -> None:
    user = alice.http.get(PATH).wsgi_request.user
    assert sessions_shown(alice.http) == "none"
    open_session(user, alice.client_id)
    open_session(user, alice.client_id)
    open_session(user, "another")
    bob = flow.connect("bob", alice.client_id)
    assert sessions_shown(alice.http) == "2"
    assert sessions_shown(bob.http) == "none"


def test_without_redis_it_says_nothing_about_sessions(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise Unavailable(Store.SESSIONS, "closed")

    monkeypatch.setattr(live_sessions, "connected", fail)
    text = alice.http.get(PATH).content.decode()
    assert "Test Client" in text
    assert "Sessions now" not in text


def test_who_has_no_apps_is_led_to_the_workbench(client: Any) -> None:
    text = flow.sign_in(client, PATH).content.decode()
    assert "No apps are connected." in text
    assert 'href="/try"' in text
