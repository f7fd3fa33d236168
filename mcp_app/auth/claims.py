"""What an authorization server says of a token, in the names that servers use, as an `AccessToken`.

The same for an introspection response (RFC 7662 §2.2) and for the claims of a JWT (RFC 9068 §2.2).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.auth.provider import AccessToken
from mcp.shared.auth_utils import resource_url_from_server_url

CLOCK_SECONDS = 30
"""How far the issuer's clock may be ahead of ours."""


def access_token(
    token: str, claims: Mapping[str, Any], *, issuer: str, audiences: Sequence[str], resource: str
) -> AccessToken | None:
    """The token's rights here, or None if it was not issued by this issuer, for this server, for now.

    Args:
        token: The token itself.
        claims: What its issuer says of it.
        issuer: The one issuer whose tokens are accepted.
        audiences: The names of this server; the token must name one of them.
        resource: The URL by which tools know this server.
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
    """Whether `aud`, one string or several, names exactly this audience; nothing wider will do.

    As everywhere, the case of scheme and host, and one trailing slash, are forgiven.
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
    """A NumericDate; one that is none is a time long past."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and abs(value) < 1e12 else 0
