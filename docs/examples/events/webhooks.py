"""Signed POST requests, as in the Standard Webhooks specification."""

import base64
import binascii
import hashlib
import hmac
import time
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

from events.models import Delivery

PREFIX = "whsec_"
NO_RETRY = (410, 413)


def is_allowed(url: str) -> bool:
    """Whether we POST there: only to origins that the project lists, so to nothing inside our network."""
    parts = urlsplit(url)
    origins = getattr(settings, "EVENTS_ORIGINS", ())
    return f"{parts.scheme}://{parts.netloc}" in origins and not parts.fragment


def key_of(secret: str) -> bytes:
    """The key in a secret, which the client has made: `whsec_` and 24 to 64 bytes in base64.

    Raises:
        ValueError: It is something else.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"the secret must be {PREFIX} and 24 to 64 bytes")
    return key


async def post(client: httpx2.AsyncClient, delivery: Delivery) -> int | None:
    """The status of the answer; None if there is none."""
    subscription, body = delivery.subscription, delivery.body()
    message_id, timestamp = str(delivery.event_id), str(int(time.time()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(key_of(subscription.secret), signed, hashlib.sha256).digest()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "X-MCP-Subscription-Id": subscription.public_id,
    }
    try:
        return (await client.post(subscription.url, content=body, headers=headers)).status_code
    except httpx2.HTTPError:
        return None
