import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.signals import connection_created

from oauth_app import token_query
from oauth_app.models import AccessToken, Client
from oauth_app.verifier import DatabaseTokenVerifier
from tests.oauth_app import flow
from tests.support.waiting import eventually

AT_ONCE = token_query.AT_ONCE


@asynccontextmanager
async def opened():
    verifier = DatabaseTokenVerifier()
    try:
        yield verifier
    finally:
        await verifier.aclose()


@pytest.fixture
def connections_opened():
    """The connections opened from now on."""
    opened = []

    def note(connection, **_):
        opened.append(connection)

    connection_created.connect(note)
    yield opened
    connection_created.disconnect(note)


class Database:
    """Look-ups that can be held and made to fail."""

    def __init__(self, look_up):
        self.look_up = look_up
        self.asked = []
        self.errors = []
        self.has_been_asked = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def __call__(self, checksums):
        self.asked.append(len(checksums))
        self.has_been_asked.set()
        assert self.goes_on.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        return list(self.look_up(checksums))


@pytest.fixture
def database(monkeypatch):
    database = Database(token_query.look_up)
    monkeypatch.setattr(token_query, "look_up", database)
    return database


async def several(verifier, database, tokens):
    """Verify the first token, and the others while the database is looking it up."""
    database.goes_on.clear()
    database.has_been_asked.clear()
    first = asyncio.create_task(verifier.verify_token(tokens[0]))
    assert await asyncio.to_thread(database.has_been_asked.wait, 10)
    others = [asyncio.create_task(verifier.verify_token(token)) for token in tokens[1:]]
    await asyncio.sleep(0)
    database.goes_on.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


@pytest.mark.django_db(transaction=True)
class TestAsTheEndpointAsks:
    def test_look_ups_share_a_connection_that_is_closed_with_the_verifier(self, connections_opened):
        alice = flow.connect("alice")
        connections_opened.clear()

        async def asked():
            async with opened() as verifier:
                for _ in range(3):
                    verified = await verifier.verify_token(alice.access)
                    assert verified.client_id == alice.client_id
                assert [connection.connection is None for connection in connections_opened] == [False]

        async_to_sync(asked)()
        assert [connection.connection for connection in connections_opened] == [None]

    def test_the_connection_is_closed_after_some_seconds_and_then_reopened(
        self, connections_opened, monkeypatch
    ):
        monkeypatch.setattr("oauth_app.verifier.KEPT_SECONDS", 0.0)
        alice = flow.connect("alice")
        connections_opened.clear()

        async def asked():
            async with opened() as verifier:
                for number in range(1, 3):
                    assert await verifier.verify_token(alice.access)
                    await eventually(lambda: connections_opened[-1].connection is None, within=10)
                    assert len(connections_opened) == number

        async_to_sync(asked)()

    def test_look_ups_during_a_query_share_the_next_one(self, database):
        alice, bob = flow.connect("alice"), flow.connect("bob")

        async def asked():
            async with opened() as verifier:
                tokens = [alice.access, bob.access, "unknown", alice.access, bob.refresh]
                return await several(verifier, database, tokens)

        found = async_to_sync(asked)()
        assert [each and each.claims["username"] for each in found] == ["alice", "bob", None, "alice", None]
        assert database.asked == [1, 4]

    def test_one_query_looks_up_a_limited_number_of_tokens(self, database):
        alice = flow.connect("alice")

        async def asked():
            async with opened() as verifier:
                tokens = [alice.access, *map(str, range(AT_ONCE + 1)), alice.access]
                return await several(verifier, database, tokens)

        found = async_to_sync(asked)()
        assert [each is not None for each in found] == [True, *[False] * (AT_ONCE + 1), True]
        assert database.asked == [1, AT_ONCE, 2]

    def test_cancelling_a_waiter_does_not_affect_others(self, database):
        alice = flow.connect("alice")

        async def asked():
            async with opened() as verifier:
                database.goes_on.clear()
                leaving, staying = (asyncio.create_task(verifier.verify_token(alice.access)) for _ in "12")
                assert await asyncio.to_thread(database.has_been_asked.wait, 10)
                leaving.cancel()
                await asyncio.wait([leaving])
                database.goes_on.set()
                return await staying

        assert async_to_sync(asked)().client_id == alice.client_id

    @pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")])
    def test_a_broken_kept_connection_is_replaced_unnoticed(self, database, connections_opened, error):
        alice = flow.connect("alice")
        connections_opened.clear()

        async def asked():
            async with opened() as verifier:
                await verifier.verify_token(alice.access)
                database.errors = [error]
                return await verifier.verify_token(alice.access)

        assert async_to_sync(asked)().client_id == alice.client_id
        assert len(connections_opened) == 2

    def test_without_room_for_a_thread_the_look_up_fails_and_the_next_one_is_made(self, monkeypatch):
        alice = flow.connect("alice")

        def no_thread(thread):
            raise RuntimeError("can't start new thread")

        async def asked():
            async with opened() as verifier:
                with monkeypatch.context() as patch:
                    patch.setattr(threading.Thread, "start", no_thread)
                    with pytest.raises(RuntimeError, match="can't start"):
                        await asyncio.wait_for(verifier.verify_token(alice.access), 5)
                return await asyncio.wait_for(verifier.verify_token(alice.access), 5)

        assert async_to_sync(asked)().client_id == alice.client_id

    def test_an_unavailable_database_is_reported_to_all_waiters_and_queried_again_by_the_next(self, database):
        alice = flow.connect("alice")
        database.errors = [OperationalError("refused")] * 2

        async def asked():
            async with opened() as verifier:
                refused = await several(verifier, database, [alice.access, "another", "a third"])
                return refused, await verifier.verify_token(alice.access)

        refused, found = async_to_sync(asked)()
        assert [str(error) for error in refused] == ["refused"] * 3
        assert database.asked == [1, 2, 1]
        assert found.client_id == alice.client_id


def test_a_token_names_user_client_scopes_and_grant(alice, verify):
    token = AccessToken.objects.select_related("user", "application").get()
    verified = verify(alice.access)
    assert verified.subject == str(token.user.pk)
    assert verified.scopes == token.scope.split()
    assert verified.expires_at == int(token.expires.timestamp())
    assert verified.claims == {
        "iss": flow.ISSUER,
        "username": "alice",
        "client_name": "Test Client",
        "grant": str(token.family),
    }


def test_a_token_of_an_inactive_user_is_refused(alice, verify):
    get_user_model().objects.update(is_active=False)
    assert verify(alice.access) is None


def test_a_revoked_token_is_refused(alice, verify):
    AccessToken.objects.get().revoke()
    assert verify(alice.access) is None


def test_a_query_is_compiled_once(alice, verify, monkeypatch):
    verify(alice.access)
    monkeypatch.setattr(type(AccessToken.objects.all()), "enabled", None)
    assert verify(alice.access)


@pytest.mark.parametrize("count", [1, 2, 3, 5, AT_ONCE])
def test_every_number_of_tokens_is_found(alice, count):
    checksum = AccessToken.objects.get().token_checksum
    asked = [*map(str, range(count - 1)), checksum]
    assert [found.token_checksum for found in token_query.look_up(asked)] == [checksum]


def test_an_error_within_a_transaction_leaves_its_connection_open(alice, verify, database):
    database.errors = [OperationalError("refused")]
    with pytest.raises(OperationalError):
        verify(alice.access)
    assert connection.connection is not None


def test_one_query_looks_up_all_tokens(alice, verify, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert verify(alice.access).client_id == alice.client_id


@pytest.mark.quick
@pytest.mark.parametrize(
    "resource",
    [
        [],
        ["https://other.example/mcp"],
        ["http://localhost:3232"],
        ["http://localhost:3232/"],
        ["http://localhost:3232/mcp/tools"],
        ["http://localhost:3232/mcpx"],
    ],
)
def test_a_token_for_anything_else_is_refused(alice, verify, resource):
    AccessToken.objects.update(resource=resource)
    assert verify(alice.access) is None


@pytest.mark.parametrize("resource", [[flow.RESOURCE], [flow.RESOURCE + "/"], ["HTTP://LOCALHOST:3232/mcp"]])
def test_a_token_for_this_resource_is_accepted(alice, verify, resource):
    AccessToken.objects.update(resource=resource)
    assert verify(alice.access).resource == flow.RESOURCE


def test_an_expired_token_is_refused(alice, verify):
    AccessToken.objects.update(expires="2020-01-01T00:00Z")
    assert verify(alice.access) is None


def test_a_token_of_a_disabled_client_is_refused(alice, verify):
    Client.objects.update(is_enabled=False)
    assert verify(alice.access) is None


@pytest.mark.parametrize("token", ["", "unknown", "\x00", "é", "a" * 10_000])
def test_invalid_input_is_refused(db, verify, token):
    assert verify(token) is None


def test_neither_a_refresh_token_nor_a_checksum_is_an_access_token(alice, verify):
    assert verify(alice.refresh) is None
    assert verify(AccessToken.objects.get().token_checksum) is None
