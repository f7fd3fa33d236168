"""Bearer tokens: verified by whoever issued them, remembered for seconds, forgotten when withdrawn.

MCP knows nothing of how tokens are stored. It asks a `TokenVerifier` of the SDK, which answers from the
database in integrated mode, and by introspection in separate mode.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier, principal_components

from mcp_app.conf import conf
from mcp_app.sessions.mailbox import Mailbox

WITHDRAWN = "tokens.withdrawn"


def checksum(token: str) -> str:
    """What stands for a token wherever the token itself must not appear."""
    return hashlib.sha256(token.encode()).hexdigest()


class Principal(AuthenticatedUser):
    """The verified user of a request, with the client that acts for them.

    Attributes:
        owner: Client, issuer and user as one string: who owns a session.
        person: What operators know the user by.
    """

    def __init__(self, token: AccessToken) -> None:
        super().__init__(token)
        self.owner = json.dumps(principal_components(token), separators=(",", ":"))
        self.person = str((token.claims or {}).get("username", token.subject))

    @property
    def client_id(self) -> str:
        return self.access_token.client_id

    def allows(self, scopes: Iterable[str]) -> bool:
        """Whether the token carries all of these scopes."""
        return all(scope in self.scopes for scope in scopes)

    @property
    def is_current(self) -> bool:
        """Whether the token has not expired yet."""
        return self.access_token.expires_at is None or self.access_token.expires_at > time.time()


class TokenCache:
    """Verifies bearer tokens, each once in a few seconds."""

    def __init__(self, verifier: TokenVerifier, mailbox: Mailbox) -> None:
        self._verifier = verifier
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._verifying: dict[str, asyncio.Task[Principal | None]] = {}
        self._withdrawals = 0
        mailbox.on(WITHDRAWN, self._on_withdrawn)

    async def verify(self, token: str) -> Principal | None:
        """Whom the token stands for, or None when it is not valid here and now."""
        key = checksum(token)
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[1]:
            return known[0] if known[0].is_current else None
        verifying = self._verifying.get(key)
        if verifying is None:  # however many requests come with it, a token is looked up once
            verifying = self._verifying[key] = asyncio.create_task(self._look_up(key, token))
            verifying.add_done_callback(lambda done: self._looked_up(key, done))
        return await asyncio.shield(verifying)

    async def _look_up(self, key: str, token: str) -> Principal | None:
        withdrawals = self._withdrawals
        verified = await self._verifier.verify_token(token)
        principal = None if verified is None else Principal(verified)
        if principal is None or not principal.is_current:
            self._known.pop(key, None)
            return None
        if withdrawals == self._withdrawals:  # nothing was withdrawn while this one was looked up
            self._known[key] = (principal, time.monotonic() + conf.cache_seconds)
            self._known.move_to_end(key)
            while len(self._known) > conf.cache_entries:
                self._known.popitem(last=False)
        return principal

    def _looked_up(self, key: str, done: asyncio.Task[Principal | None]) -> None:
        if self._verifying.get(key) is done:
            del self._verifying[key]

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        self._withdrawals += 1
        for key in message["checksums"]:
            self._known.pop(key, None)
            self._verifying.pop(key, None)  # who comes now must not be told what was true before
