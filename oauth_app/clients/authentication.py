"""The credentials of a client at /token, /revoke and /introspect (RFC 6749 §2.3)."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple
from urllib.parse import unquote_plus

from oauthlib.common import Request


class Presented(NamedTuple):
    """A client id and a secret; public clients have no secret."""

    client_id: str | None
    secret: str | None


NOTHING = Presented(None, None)
UNREADABLE = Presented(None, "")
"""Malformed credentials must fail, and not count as those of a public client."""


def presented(request: Request) -> Presented:
    """The client id and secret from the Authorization header, or else from the body."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        basic = _basic(credentials)
        differs = request.client_id and basic.client_id != request.client_id
        return UNREADABLE if differs or request.client_secret else basic
    return Presented(request.client_id, request.client_secret or None)


def _basic(credentials: str) -> Presented:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return UNREADABLE
    client_id, colon, secret = (unquote_plus(part) for part in text.partition(":"))
    if not colon or "\0" in client_id:
        return UNREADABLE
    # Public clients send an empty password: an empty secret may be omitted (RFC 6749 §2.3.1).
    return Presented(client_id, secret or None)
