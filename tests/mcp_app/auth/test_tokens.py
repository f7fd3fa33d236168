"""Verified tokens: cached for seconds, dropped when revoked."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.server.auth.provider import AccessToken

from mcp_app.auth.tokens import WITHDRAWN, Principal, TokenCache, checksum
from mcp_app.conf import conf
from tests.support.tokens import NamedTokens
from tests.support.waiting import eventually


class Switchboard:
    """A directory without other processes: messages are handled locally."""

    def __init__(self) -> None:
        self.handlers: dict[str, list[Callable[[Any], None]]] = defaultdict(list)
        self.places: list[str] = []
        self.renewed: list[str] = []

    def on(self, kind: str, handler: Callable[[Any], None]) -> None:
        self.handlers[kind].append(handler)

    def withdraw(self, *tokens: str) -> None:
        for handler in self.handlers[WITHDRAWN]:
            handler({"type": WITHDRAWN, "checksums": [checksum(token) for token in tokens]})

    @property
    def bus(self) -> Switchboard:
        return self

    async def register(self, place: str, seconds: float) -> None:
        self.places.append(place)

    def start_renewing(self, place: str) -> None:
        self.renewed.append(place)

    def stop_renewing(self, place: str) -> None:
        self.renewed.remove(place)

    async def publish(self, message: dict[str, Any], place: str) -> None:
        for handler in self.handlers[message["type"]]:
            handler(message)


class SlowTokens(NamedTokens):
    """A verifier that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = asyncio.Event()
        self.go = asyncio.Event()

    async def verify_token(self, token: str) -> AccessToken | None:
        verified = await super().verify_token(token)
        self.was_asked.set()
        await self.go.wait()
        return verified


@pytest.fixture
def switchboard() -> Switchboard:
    return Switchboard()


@pytest.fixture
def verifier() -> NamedTokens:
    return NamedTokens()


@pytest.fixture
def cache(verifier: NamedTokens, switchboard: Switchboard) -> TokenCache:
    return TokenCache(verifier, switchboard)  # type: ignore[arg-type]


async def test_a_token_is_looked_up_once(cache: TokenCache, verifier: NamedTokens) -> None:
    principals = [await cache.verify("alice") for _ in range(3)]
    assert [principal.person for principal in principals if principal] == ["alice"] * 3
    assert verifier.asked == ["alice"]


async def test_a_token_that_is_not_valid_is_looked_up_each_time(
    cache: TokenCache, verifier: NamedTokens
) -> None:
    for token in ("unknown", "expired"):
        assert [await cache.verify(token) for _ in range(2)] == [None, None]
    assert verifier.asked == ["unknown"] * 2 + ["expired"] * 2


async def test_a_token_is_looked_up_again_when_its_copy_is_stale(
    cache: TokenCache, verifier: NamedTokens, settings: Any
) -> None:
    settings.MCP_CACHE_SECONDS = 0.0
    await cache.verify("alice")
    verifier.withdrawn.add("alice")
    assert await cache.verify("alice") is None


async def test_a_token_in_use_is_looked_up_before_its_copy_is_stale(
    cache: TokenCache, verifier: NamedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cache.verify("alice")
    later = time.monotonic() + conf.cache_seconds * 0.97
    monkeypatch.setattr("mcp_app.coordination.cache.time", SimpleNamespace(monotonic=lambda: later))
    verifier.withdrawn.add("alice")
    assert await cache.verify("alice")
    await eventually(lambda: verifier.asked == ["alice"] * 2)
    assert await cache.verify("alice") is None


async def test_a_remembered_token_does_not_outlive_its_expiry(
    cache: TokenCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await cache.verify("alice")
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)
    assert await cache.verify("alice") is None


async def test_only_the_revoked_token_is_dropped(
    cache: TokenCache, verifier: NamedTokens, switchboard: Switchboard
) -> None:
    for token in ("alice", "bob"):
        await cache.verify(token)
    verifier.withdrawn.add("alice")
    switchboard.withdraw("alice", "never seen")
    assert await cache.verify("alice") is None
    assert await cache.verify("bob")
    assert verifier.asked == ["alice", "bob", "alice"]


async def test_a_token_revoked_during_its_look_up_is_not_cached(switchboard: Switchboard) -> None:
    verifier = SlowTokens()
    cache = TokenCache(verifier, switchboard)  # type: ignore[arg-type]
    looking = asyncio.create_task(cache.verify("alice"))
    await asyncio.wait_for(verifier.was_asked.wait(), 5)
    verifier.withdrawn.add("alice")
    switchboard.withdraw("alice")
    verifier.go.set()
    await looking
    assert await cache.verify("alice") is None


async def test_a_request_after_the_revocation_does_not_share_an_older_look_up(
    switchboard: Switchboard,
) -> None:
    verifier = SlowTokens()
    cache = TokenCache(verifier, switchboard)  # type: ignore[arg-type]
    before = asyncio.create_task(cache.verify("alice"))
    await asyncio.wait_for(verifier.was_asked.wait(), 5)
    verifier.withdrawn.add("alice")
    switchboard.withdraw("alice")
    after = asyncio.create_task(cache.verify("alice"))
    await asyncio.sleep(0)
    verifier.go.set()
    await before
    assert await after is None


async def test_concurrent_requests_share_one_look_up(switchboard: Switchboard) -> None:
    verifier = SlowTokens()
    verifier.go.set()
    cache = TokenCache(verifier, switchboard)  # type: ignore[arg-type]
    assert all(await asyncio.gather(*(cache.verify("alice") for _ in range(10))))
    assert verifier.asked == ["alice"]


async def test_the_number_of_copies_is_limited(
    cache: TokenCache, verifier: NamedTokens, settings: Any
) -> None:
    settings.MCP_CACHE_ENTRIES = 2
    for token in ("a", "b", "c", "a"):
        await cache.verify(token)
    assert verifier.asked == ["a", "b", "c", "a"]


def _principal(**fields: Any) -> Principal:
    given = {"token": "t", "client_id": "c", "scopes": [], "subject": "s", "claims": {"iss": "i"}}
    return Principal(AccessToken(**(given | fields)))


def test_the_owner_is_made_of_client_issuer_and_user() -> None:
    different: list[dict[str, Any]] = [
        {},
        {"client_id": "x"},
        {"subject": "x"},
        {"claims": {"iss": "x"}},
        {"subject": None},
    ]
    assert len({_principal(**fields).owner for fields in different}) == len(different)
    assert _principal(token="another", scopes=["mcp"]).owner == _principal().owner


def test_no_two_principals_can_be_confused_by_a_separator() -> None:
    assert _principal(client_id='a","b').owner != _principal(client_id="a", claims={"iss": "b"}).owner


async def test_what_a_verifier_holds_open_is_closed_with_the_process(switchboard: Switchboard) -> None:
    class Holding(NamedTokens):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    verifier = Holding()
    await TokenCache(verifier, switchboard).aclose()  # type: ignore[arg-type]
    assert verifier.closed
    await TokenCache(NamedTokens(), switchboard).aclose()  # type: ignore[arg-type]
