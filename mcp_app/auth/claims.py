"""Converts claims of a token, as different servers name them, to an `AccessToken`.

Used for introspection responses (RFC 7662 §2.2) and for the claims of JWTs (RFC 9068 §2.2).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.auth.provider import AccessToken
from mcp.shared.auth_utils import resource_url_from_server_url

CLOCK_SECONDS = 30
"""The tolerated clock skew."""


def access_token(
    token: str, claims: Mapping[str, Any], *, issuer: str, audiences: Sequence[str], resource: str
) -> AccessToken | None:
    """The access token, or None if it was not issued by this issuer for this server, or is not valid now.

    Args:
        token: The token itself.
        claims: Its claims.
        issuer: The only accepted issuer.
        audiences: The accepted audiences; the token must have one of them.
        resource: The resource URL for the result.
    """
    if claims.get("iss", issuer) != issuer or not any(names(claims.get("aud"), one) for one in audiences):
        return None
    subject, client = claims.get("sub"), _first(claims, "client_id", "azp", "cid")
    expires, not_before = _time(claims.get("exp")), _time(claims.get("nbf"))
    now = time.time()
    if not isinstance(subject, str) or not subject or not client:
        return None
    if expires is not None and expires <= now:
        return None
    if not_before is not None and not_before > now + CLOCK_SECONDS:
        return None
    return AccessToken(
        token=token,
        client_id=client,
        scopes=_scopes(claims),
        expires_at=expires,
        resource=resource,
        subject=subject,
        claims={
            "iss": issuer,
            "username": _first(claims, "username", "preferred_username") or subject,
            "client_name": _first(claims, "client_name") or client,
            **({"grant": grant} if (grant := _first(claims, "grant")) else {}),
        },
    )


def names(aud: Any, audience: str) -> bool:
    """Whether `aud`, a string or a list, has exactly this audience, not a prefix of it.

    The case of scheme and host, and one trailing slash, are ignored.
    """
    values = [aud] if isinstance(aud, str) else aud
    if not isinstance(values, list):
        return False
    return any(isinstance(value, str) and _canonical(value) == _canonical(audience) for value in values)


def _canonical(value: str) -> str:
    if "#" in value or value != value.strip():
        return value
    try:
        return resource_url_from_server_url(value).removesuffix("/")
    except ValueError:
        return value


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """`scope` is one string (RFC 8693 §4.2); Okta and Entra say `scp`, which may be a list."""
    scopes = claims.get("scope", claims.get("scp", ""))
    words = scopes.split() if isinstance(scopes, str) else scopes
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def _first(claims: Mapping[str, Any], *names: str) -> str | None:
    return next((claims[name] for name in names if isinstance(claims.get(name), str) and claims[name]), None)


def _time(value: Any) -> int | None:
    """A NumericDate; an invalid one counts as long past."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and abs(value) < 1e12 else 0
