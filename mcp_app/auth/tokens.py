"""Bearer tokens: verified by a `TokenVerifier`, cached for seconds, dropped when withdrawn.

The engine does not know how tokens are stored. The SDK's `TokenVerifier` uses the database in integrated
mode, and introspection or JWTs in separate mode.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from mcp.server.auth.provider import AccessToken, TokenVerifier, principal_components

from mcp_app.conf import conf
from mcp_app.coordination.cache import ReadThroughCache
from mcp_app.coordination.directory import Directory, copy_seconds
from mcp_app.coordination.keys import prefixed
from mcp_app.database import reaching_database
from mcp_app.exceptions import Unavailable
from mcp_app.protocol.facts import KnownUser
from mcp_app.protocol.personal import person_key

logger = logging.getLogger(__name__)

WITHDRAWN = "tokens.withdrawn"

_NAME_LENGTH = 100
"""Characters of a client's name that are kept: clients choose them."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


def checksum(token: str) -> str:
    """Identifies a token wherever the token itself must not appear."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_withdrawn_by(message: Mapping[str, Any], token: AccessToken | None) -> bool:
    """Whether a `WITHDRAWN` message is about a token, or about the grant that it came from."""
    if token is None:
        return False
    return checksum(token.token) in message["checksums"] or grant_of(token) in message.get("grants", ())


def grant_of(token: AccessToken) -> str | None:
    """The id of the consent behind a token, if the verifier provides it: the claim `grant`."""
    grant = (token.claims or {}).get("grant")
    return None if grant is None else str(grant)


def token_place(key: str) -> str:
    """Sorted set: the processes that cache or use a token, by its checksum; the score is until when."""
    return prefixed(f"mcp:token:{{{key}}}")


def grant_place(grant: str) -> str:
    """Sorted set: the processes that use tokens of a consent; the score is until when."""
    return prefixed(f"mcp:grant:{{{grant}}}")


def token_places(token: AccessToken) -> list[str]:
    """The directory places of a token in use."""
    grant = grant_of(token)
    return [token_place(checksum(token.token)), *([] if grant is None else [grant_place(grant)])]


def owner(client: str | None, issuer: str | None, subject: str | None) -> str:
    """Identifies the user of a client, as the owner of sessions."""
    return _encode([client, issuer, subject])


class TokenWithdrawn(Exception):
    """The token of a running request was withdrawn."""


class Principal(KnownUser):
    """The verified user of a request, and the client that acts for them.

    Attributes:
        owner: Client, issuer and subject as one string, for the owner of a session.
        person: The user's display name, for operators.
        client_name: The client's display name, for operators; empty if the verifier provides none.
        person_key: The key under which the person's limits are counted.
        checksum: Identifies the token.
        log_fields: What the line of each request in the log says about them.
    """

    def __init__(self, token: AccessToken) -> None:
        super().__init__(token)
        self.owner = owner(*principal_components(token))
        self.person_key = person_key(self.owner)
        self.checksum = checksum(token.token)
        claims = token.claims or {}
        self.person = str(claims.get("username", token.subject or ""))
        self.log_fields = {"username": self.facts.username, "client": self.facts.client}
        self.client_name = str(claims.get("client_name", ""))[:_NAME_LENGTH]

    @property
    def client_id(self) -> str:
        return self.access_token.client_id

    def memory(self) -> int:
        """An estimate of the bytes that it takes in a process. The claims of a JWT are part of the token."""
        return 2048 + 24 * len(self.access_token.token)

    @property
    def seconds_left(self) -> float:
        """Seconds until the token expires."""
        expires_at = self.access_token.expires_at
        return math.inf if expires_at is None else expires_at - time.time()

    @property
    def is_current(self) -> bool:
        """Whether the token has not expired yet."""
        return self.seconds_left > 0


class TokenCache:
    """Verifies bearer tokens, and caches the results for a few seconds."""

    def __init__(self, verifier: TokenVerifier, directory: Directory) -> None:
        self._verifier = verifier
        self._directory = directory
        self._copies: ReadThroughCache[Principal] = ReadThroughCache(Principal.memory)
        self._in_use: dict[asyncio.Future[None], Principal] = {}
        directory.bus.on(WITHDRAWN, self._on_withdrawn)

    async def verify(self, token: str) -> Principal | None:
        """The principal of a token, or None if it is not valid."""
        key = checksum(token)
        look_up = partial(self._look_up, token)
        principal = self._copies.get(key, look_up)
        if principal is None:
            principal = await self._copies.read(key, look_up)
        return principal if principal is not None and principal.is_current else None

    async def is_withdrawn(self, principal: Principal) -> bool:
        """Whether a token that was valid has been withdrawn.

        False if it has expired since, which is not a withdrawal, or if it cannot be verified now.
        """
        if not principal.is_current:
            return False
        try:
            is_good = await self.verify(principal.access_token.token) is not None
        except Exception:
            logger.warning("could not re-verify a token in use", exc_info=True)
            return False
        if is_good or not principal.is_current:
            return False
        # Notify other users of the token, in case the announcement was lost.
        message = {"type": WITHDRAWN, "checksums": [principal.checksum]}
        await self._directory.publish(message, token_place(principal.checksum))
        return True

    async def _look_up(self, token: str) -> Principal | None:
        # Before verifying: a withdrawal is then either seen by the verifier or sent to this process.
        with suppress(Unavailable):
            await self._directory.register(
                token_place(checksum(token)), max(copy_seconds(), conf.lease_seconds)
            )
        with reaching_database:
            verified = await self._verifier.verify_token(token)
        principal = None if verified is None else Principal(verified)
        return principal if principal is not None and principal.is_current else None

    async def aclose(self) -> None:
        """Cancel look-ups in progress, and close the verifier, if it can be closed."""
        await self._copies.aclose()
        aclose = getattr(self._verifier, "aclose", None)
        if aclose is not None:
            await aclose()

    def forget(self, checksums: Iterable[str]) -> None:
        """Drop these tokens from the cache: verify again on next use."""
        for key in checksums:
            self._copies.forget(key)

    @contextmanager
    def in_use(self, principal: Principal) -> Iterator[asyncio.Future[None]]:
        """A future that completes when the token is withdrawn."""
        withdrawn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._in_use[withdrawn] = principal
        places = token_places(principal.access_token)
        for place in places:
            self._directory.start_renewing(place)
        try:
            yield withdrawn
        finally:
            del self._in_use[withdrawn]
            for place in places:
                self._directory.stop_renewing(place)

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        self.forget(message["checksums"])
        for withdrawn, principal in self._in_use.items():
            if not withdrawn.done() and is_withdrawn_by(message, principal.access_token):
                withdrawn.set_result(None)
