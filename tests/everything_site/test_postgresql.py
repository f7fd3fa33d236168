"""A process opens a limited number of PostgreSQL connections; others wait for one, but not forever."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.postgresql import base as django_base

from everything_site.postgresql import base
from everything_site.postgresql.base import DatabaseWrapper
from mcp_app.readiness import is_probe

LIMIT = 3


class Opened:
    """A connection of psycopg, as far as the backend uses it."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opens(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], DatabaseWrapper]:
    """Makes wrappers that have opened a connection, without a server."""
    settings.DATABASE_CONNECTIONS = LIMIT
    monkeypatch.setattr(base, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(django_base.DatabaseWrapper, "get_new_connection", lambda self, params: Opened())
    base.connection_slots.cache_clear()

    def open_one() -> DatabaseWrapper:
        wrapper = DatabaseWrapper({**connections["default"].settings_dict, "OPTIONS": {}}, alias="bounded")
        wrapper.connection = wrapper.get_new_connection({})
        return wrapper

    return open_one


def test_one_connection_above_the_limit_is_refused_after_a_while(
    opens: Callable[..., DatabaseWrapper],
) -> None:
    kept = [opens() for _ in range(LIMIT)]
    with pytest.raises(OperationalError, match="all 3 connections of this process are in use"):
        opens()
    assert len(kept) == LIMIT


@pytest.mark.parametrize("times", [1, 3])
def test_a_closed_connection_frees_its_slot(opens: Callable[..., DatabaseWrapper], times: int) -> None:
    kept = [opens() for _ in range(LIMIT)]
    for _ in range(times):
        kept[0].close()
    kept[0] = opens()
    with pytest.raises(OperationalError):
        opens()


def test_an_unclosed_connection_frees_its_slot_when_it_is_collected(
    opens: Callable[..., DatabaseWrapper],
) -> None:
    kept = [opens() for _ in range(LIMIT)]
    kept[0].connection = None
    gc.collect()
    kept[0] = opens()


def test_a_server_that_refuses_takes_no_slot(
    opens: Callable[..., DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, params: Any) -> Any:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(django_base.DatabaseWrapper, "get_new_connection", refuse)
        for _ in range(LIMIT + 1):
            with pytest.raises(OperationalError, match="connection refused"):
                opens()
    assert len([opens() for _ in range(LIMIT)]) == LIMIT


def test_a_thread_that_finds_no_free_slot_gets_the_next_one(
    opens: Callable[..., DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "WAIT_SECONDS", 10.0)
    kept = [opens() for _ in range(LIMIT)]
    kept[0].inc_thread_sharing()
    timer = threading.Timer(0.05, kept[0].close)
    timer.start()
    kept.append(opens())
    timer.join()


def test_the_readiness_probe_needs_no_slot(opens: Callable[..., DatabaseWrapper]) -> None:
    kept = [opens() for _ in range(LIMIT)]
    probing = is_probe.set(True)
    kept.append(opens())
    is_probe.reset(probing)
    with pytest.raises(OperationalError):
        opens()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="TEST_DATABASE_URL names no PostgreSQL")
def test_many_threads_share_few_connections(settings: Any) -> None:
    settings.DATABASE_CONNECTIONS = LIMIT
    connection.close()
    base.connection_slots.cache_clear()
    seen: list[int] = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity WHERE datname = current_database()"
            )
            seen.append(cursor.fetchone()[0])
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(seen) == len(threads)
    assert max(seen) <= LIMIT
