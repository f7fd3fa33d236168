"""Bearer tokens: verified by whoever issued them, remembered for seconds, forgotten when withdrawn.

MCP knows nothing of how tokens are stored. It asks a `TokenVerifier` of the SDK, which answers from the
database in integrated mode, and by introspection in separate mode.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from typing import Any

from mcp.server.auth.provider import AccessToken, TokenVerifier, principal_components

from mcp_app.conf import conf
from mcp_app.sessions.mailbox import Mailbox

WITHDRAWN = "tokens.withdrawn"


def checksum(token: str) -> str:
    """What stands for a token wherever the token itself must not appear."""
    return hashlib.sha256(token.encode()).hexdigest()


def owner(token: AccessToken) -> str:
    """The principal of a token (client, issuer, user) as one string: who owns a session."""
    return json.dumps(principal_components(token), separators=(",", ":"))


class TokenCache:
    """Verifies bearer tokens, each once in a few seconds."""

    def __init__(self, verifier: TokenVerifier, mailbox: Mailbox) -> None:
        self._verifier = verifier
        self._known: OrderedDict[str, tuple[AccessToken, float]] = OrderedDict()
        self._withdrawals = 0
        mailbox.on(WITHDRAWN, self._on_withdrawn)

    async def verify(self, token: str) -> AccessToken | None:
        """The token's claims, or None when it is not valid here and now."""
        key = checksum(token)
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[1]:
            return known[0] if _is_current(known[0]) else None
        withdrawals = self._withdrawals
        verified = await self._verifier.verify_token(token)
        if verified is None or not _is_current(verified):
            self._known.pop(key, None)
            return None
        if withdrawals == self._withdrawals:  # nothing was withdrawn while this one was looked up
            self._known[key] = (verified, time.monotonic() + conf.cache_seconds)
            self._known.move_to_end(key)
            while len(self._known) > conf.cache_entries:
                self._known.popitem(last=False)
        return verified

    def _on_withdrawn(self, message: dict[str, Any]) -> None:
        self._withdrawals += 1
        for key in message["checksums"]:
            self._known.pop(key, None)


def _is_current(token: AccessToken) -> bool:
    return token.expires_at is None or token.expires_at > time.time()
