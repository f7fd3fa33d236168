"""Token verification by introspection (RFC 7662), as used in separate mode."""

from __future__ import annotations

from urllib.parse import quote

import httpx2
from mcp.server.auth.provider import AccessToken

from mcp_app.auth.authorization_server import AuthorizationServer
from mcp_app.auth.claims import access_token
from mcp_app.conf import conf


class IntrospectionTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier`. `TokenCache` caches its results."""

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._server = AuthorizationServer(transport)

    async def verify_token(self, token: str) -> AccessToken | None:
        """The access token, if it is active and was issued for this resource.

        Raises:
            AuthorizationServerUnavailable: The server cannot be reached, or rejects our credentials.
        """
        client_id, secret = conf.introspection_credentials
        response = await self._server.json(
            "POST",
            conf.introspection_url,
            data={"token": token, "token_type_hint": "access_token"},
            auth=(quote(client_id, safe=""), quote(secret, safe="")),  # RFC 6749 §2.3.1 encodes both
        )
        if response.get("active") is not True:
            return None
        return access_token(
            token, response, issuer=conf.issuer, audiences=conf.token_audiences, resource=conf.resource_url
        )

    async def aclose(self) -> None:
        await self._server.aclose()
