"""Verifies bearer tokens for an MCP endpoint of the same project, by a look-up in the database."""

from __future__ import annotations

from channels.db import database_sync_to_async
from mcp.server.auth.provider import AccessToken as VerifiedToken

from oauth_app import resources
from oauth_app.conf import conf
from oauth_app.models import AccessToken
from oauth_app.secrets import checksum


class DatabaseTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier` that makes one indexed query."""

    async def verify_token(self, token: str) -> VerifiedToken | None:
        # In any thread of the pool, so that a slow query does not block the others.
        return await database_sync_to_async(find, thread_sensitive=False)(token)


def find(raw: str) -> VerifiedToken | None:
    """The token, if it is valid and was issued for exactly this resource."""
    token = AccessToken.objects.valid().filter(token_checksum=checksum(raw)).first()
    if token is None or not any(resources.is_resource(url, conf.resource_url) for url in token.resource):
        return None
    return VerifiedToken(
        token=raw,
        client_id=token.application.client_id,
        scopes=token.scope.split(),
        expires_at=int(token.expires.timestamp()),
        resource=conf.resource_url,
        subject=str(token.user_id),
        claims={
            "iss": conf.issuer,
            "username": token.user.get_username(),
            "client_name": token.application.name,
            "grant": str(token.family),
        },
    )
