"""Bearer tokens that contain their user, in place of an authorization server."""

from __future__ import annotations

import time

from mcp.server.auth.provider import AccessToken

ISSUER = "https://auth.example"
DEFAULT_CLIENT = "client"
SCOPES = {"wrong-scope": ["profile"], "admin": ["mcp:admin"]}
INVALID = frozenset({"revoked", "unknown"})


class NamedTokens:
    """A `TokenVerifier`: "alice" is alice's token, "alice@other" is hers with another client.

    "expired", "wrong-scope", "revoked" and "unknown" are what they say; "admin" has the scope mcp:admin.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.withdrawn: set[str] = set()
        self.lifetime = 3600.0
        self._given: list[AccessToken] = []

    def expire(self) -> None:
        """Make all verified tokens expire a minute ago."""
        for token in self._given:
            token.expires_at = int(time.time()) - 60

    async def verify_token(self, token: str) -> AccessToken | None:
        self.asked.append(token)
        if token in INVALID or token in self.withdrawn:
            return None
        user, _, client = token.partition("@")
        expires_at = time.time() + (-60 if token == "expired" else self.lifetime)
        given = AccessToken(
            token=token,
            client_id=client or DEFAULT_CLIENT,
            scopes=SCOPES.get(user, ["mcp", "profile"]),
            subject=user,
            claims={"iss": ISSUER, "username": user, "grant": f"grant-of-{token}"},
        ).model_copy(update={"expires_at": expires_at})  # unvalidated: the model knows whole seconds only
        self._given.append(given)
        return given


class UserTokens(NamedTokens):
    """As of a project with its own users: "7" is the token of user 7, "7/write" has the scope `write` too."""

    subjects_are_users = True

    async def verify_token(self, token: str) -> AccessToken | None:
        name, *scopes = token.split("/")
        given = await super().verify_token(name)
        if given is None:
            return None
        return given.model_copy(update={"token": token, "scopes": [*given.scopes, *scopes]})
