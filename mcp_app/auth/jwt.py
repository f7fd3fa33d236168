"""Verification of JWT access tokens (RFC 9068) with the issuer's published keys (JWKS, RFC 7517)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
from mcp.server.auth.provider import AccessToken

from mcp_app.auth.authorization_server import AuthorizationServer, AuthorizationServerUnavailable
from mcp_app.auth.claims import CLOCK_SECONDS, access_token
from mcp_app.conf import conf

logger = logging.getLogger(__name__)

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ALGORITHMS = (*_RSA, "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric algorithms only: with HMAC, a published key could be used as the shared secret."""

_REFRESH_SECONDS = 3600.0
"""The age at which the keys are refreshed in the background."""
_MAX_KEY_AGE_SECONDS = 2 * _REFRESH_SECONDS
"""The age at which verification waits for a refresh, once: the key may have been revoked."""
_UNKNOWN_KEY_SECONDS = 10.0
"""The minimum interval between refreshes for unknown key ids: anyone can send those."""
_FAILURE_SECONDS = 2.0
_MAX_TOKEN_LENGTH = 16_384


class JWTTokenVerifier:
    """A `mcp.server.auth.provider.TokenVerifier` that works offline.

    A revoked token stays valid until it expires, so the issuer should use short lifetimes.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._server = AuthorizationServer(transport)
        self._keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
        """By id and algorithm."""
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def verify_token(self, token: str) -> AccessToken | None:
        """The access token, if its signature, type, issuer, audience and times are valid.

        Raises:
            AuthorizationServerUnavailable: There are no keys, and they cannot be read.
        """
        if len(token) > _MAX_TOKEN_LENGTH:
            return None
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if (
                _media_type(header.get("typ")) not in map(_media_type, conf.jwt_types)
                or algorithm not in ALGORITHMS
            ):
                return None
            key = await self._key(header.get("kid"), algorithm)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=conf.issuer,
                leeway=CLOCK_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "verify_aud": False},  # in access_token
            )
        except jwt.PyJWTError as error:
            logger.info("JWT rejected", extra={"reason": type(error).__name__})
            return None
        return access_token(
            token, claims, issuer=conf.issuer, audiences=conf.token_audiences, resource=conf.resource_url
        )

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._server.aclose()

    async def _key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key with this id; without an id, the only key for this algorithm.

        Tokens with a known key do not wait for a refresh that another token's unknown key has started.
        """
        known, age = self._find(key_id, algorithm), time.monotonic() - self._read_at
        if known is None or age > _REFRESH_SECONDS:
            is_too_old = age > _MAX_KEY_AGE_SECONDS and not self._has_failed
            reading = self._refresh()
            if reading is not None and (known is None or is_too_old):
                await asyncio.wait([reading])
                known = self._find(key_id, algorithm)
        if not self._keys:
            raise AuthorizationServerUnavailable
        return known

    def _find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        if key_id is None:
            fitting = [key for (_, its_algorithm), key in self._keys.items() if its_algorithm == algorithm]
            return fitting[0] if len(fitting) == 1 else None
        return self._keys.get((key_id, algorithm))

    @property
    def _has_failed(self) -> bool:
        """Whether the last refresh failed."""
        return self._tried_at > self._read_at

    def _refresh(self) -> asyncio.Task[None] | None:
        """The refresh in progress, or a new one; None if the last one was too recent."""
        if self._reading is None or self._reading.done():
            pause = _FAILURE_SECONDS if self._has_failed else _UNKNOWN_KEY_SECONDS
            if time.monotonic() - self._tried_at < pause:
                return None
            self._reading = asyncio.create_task(self._read_keys())
        return self._reading

    async def _read_keys(self) -> None:
        try:
            keys = dict(_keys(await self._server.json("GET", conf.jwks_url)))
            if not keys:
                raise AuthorizationServerUnavailable
        except AuthorizationServerUnavailable:
            self._tried_at = time.monotonic()
            if not self._keys:
                return
            logger.warning("could not refresh JWKS; using the previous keys")
            return
        self._keys = keys
        self._read_at = self._tried_at = time.monotonic()


def _keys(document: dict[str, Any]) -> Iterator[tuple[tuple[str | None, str], jwt.PyJWK]]:
    """The signing keys. An RSA key without `alg` is valid for all RSA algorithms (RFC 7517 §4.4)."""
    published = document.get("keys")
    for data in published if isinstance(published, list) else []:
        if not isinstance(data, dict) or data.get("use") not in (None, "sig"):
            continue
        is_open = data.get("kty") == "RSA" and not data.get("alg")
        for algorithm in _RSA if is_open else (None,):
            try:
                key = jwt.PyJWK(data, algorithm)
            except Exception as error:  # PyJWT and cryptography have no common class for what they refuse
                logger.debug("JWK ignored", extra={"reason": type(error).__name__})
                continue
            if isinstance(key.key_id, str | None):
                yield (key.key_id, key.algorithm_name), key


def _media_type(typ: object) -> str:
    """RFC 9068 §2.1: `at+jwt`, or in full `application/at+jwt`."""
    return str(typ or "JWT").lower().removeprefix("application/")
