"""JWT access tokens (RFC 9068), checked with the keys that their issuer publishes (JWKS, RFC 7517)."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx2
import jwt
from mcp.server.auth.provider import AccessToken

from mcp_app.auth.claims import access_token
from mcp_app.auth.server import AuthorizationServer, AuthorizationServerUnavailable
from mcp_app.conf import conf

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key pair. With a shared secret, or `none`, anyone could pass a published key off as one."""

_KEYS_SECONDS = 3600.0
_AGAIN_SECONDS = 10.0
"""How soon an unknown key id makes us look for new keys again: anyone can write one into a token."""
_LONGEST = 16_384


class JWTTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier` that asks nobody about a token.

    So a token that is revoked works on until it expires: let the issuer give short lifetimes.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._server = AuthorizationServer(transport)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's rights, if its signature, type, issuer, audience and times are right.

        Raises:
            AuthorizationServerUnavailable: The keys cannot be read, and none are known.
        """
        if len(token) > _LONGEST:
            return None
        try:
            header = jwt.get_unverified_header(token)
            if _media_type(header.get("typ")) not in conf.jwt_types or header.get("alg") not in ALGORITHMS:
                return None
            key = await self._key(header.get("kid"))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=conf.issuer,
                options={"require": ["exp", "iss", "aud", "sub"], "verify_aud": False},  # in access_token
            )
        except jwt.PyJWTError as error:
            logger.info("a JWT was refused", extra={"reason": type(error).__name__})
            return None
        return access_token(
            token, claims, issuer=conf.issuer, audience=conf.token_audience, resource=conf.resource_url
        )

    async def aclose(self) -> None:
        await self._server.aclose()

    async def _key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of this id; without one, the only key there is."""
        async with self._reading:
            age = time.monotonic() - self._read_at
            if age > _KEYS_SECONDS or (self._find(key_id) is None and age > _AGAIN_SECONDS):
                await self._read_keys()
        return self._find(key_id)

    def _find(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _read_keys(self) -> None:
        try:
            document = await self._server.json("GET", conf.jwks_url)
            found = jwt.PyJWKSet.from_dict(document).keys
        except (AuthorizationServerUnavailable, jwt.PyJWTError) as error:
            if not self._keys:
                raise AuthorizationServerUnavailable from error
            logger.warning("the keys of the authorization server could not be read; the old ones are used")
        else:
            self._keys = {key.key_id: key for key in found if key.public_key_use in (None, "sig")}
        self._read_at = time.monotonic()


def _media_type(typ: object) -> str:
    """RFC 9068 §2.1: `at+jwt`, which may be written in full."""
    return str(typ or "JWT").lower().removeprefix("application/")
