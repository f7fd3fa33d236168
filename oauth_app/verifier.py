"""Is this bearer token good? What the MCP endpoint asks, answered from this process's database."""

from __future__ import annotations

from channels.db import database_sync_to_async
from mcp.server.auth.provider import AccessToken as VerifiedToken

from oauth_app import resources
from oauth_app.conf import conf
from oauth_app.models import AccessToken
from oauth_app.secrets import checksum


class DatabaseTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier`: one indexed query for a token."""

    async def verify_token(self, token: str) -> VerifiedToken | None:
        # In any thread of the pool: one slow query must not hold up the others.
        return await database_sync_to_async(find, thread_sensitive=False)(token)


def find(raw: str) -> VerifiedToken | None:
    """The token's rights, if it works, and was issued for exactly this resource."""
    token = AccessToken.objects.working().filter(token_checksum=checksum(raw)).first()
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
