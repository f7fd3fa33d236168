"""Rate limits of the endpoints that anyone may call, counted in Redis for all processes together.

They protect the server from floods, and the passwords of administrators from being guessed; tokens and codes
cannot be. While Redis is unavailable, nothing is limited.
"""

from __future__ import annotations

import logging
import math
import time
from functools import lru_cache, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError
from redis.retry import Retry

from oauth_app.conf import PASSWORD_LIMITS, conf
from oauth_app.http.api import View, is_api_request, refusal
from oauth_app.http.client_ip import client_address

log = logging.getLogger("oauth_app")

REDIS_SECONDS = 0.5
"""How long Redis may take to answer."""
OUTAGE_SECONDS = 5.0
"""How long Redis is not tried again after a failure, so that an outage does not slow down requests."""


class Limiter:
    """Counts requests, by endpoint and address or account, in a moving window."""

    def __init__(self, redis_url: str) -> None:
        options: dict[str, Any] = {
            "socket_timeout": REDIS_SECONDS,
            "socket_connect_timeout": REDIS_SECONDS,
            # Retry once on a new connection, if the server has become a replica.
            "retry": Retry(NoBackoff(), 1, supported_errors=(ReadOnlyError,)),
        }
        scheme, _, rest = redis_url.partition("://")
        url = f"redis+unix://{rest}" if scheme == "unix" else redis_url
        storage = RedisStorage(url, key_prefix="oauth:limits", wrap_exceptions=True, **options)
        self._window = MovingWindowRateLimiter(storage)
        self._retry_at = float("-inf")

    def seconds_to_wait(self, limit: RateLimitItem, endpoint: str, whose: str) -> int:
        """Count a request. Returns 0 if it is allowed, else the seconds until the next one is."""
        if time.monotonic() < self._retry_at:
            return 0
        try:
            if self._window.hit(limit, endpoint, whose):
                return 0
            reset = self._window.get_window_stats(limit, endpoint, whose).reset_time
        except StorageError as error:
            self._retry_at = time.monotonic() + OUTAGE_SECONDS
            log.error("rate limiting disabled: Redis unavailable", extra={"reason": str(error)})
            return 0
        return max(1, math.ceil(reset - time.time()))


@lru_cache(maxsize=4)
def limiter(redis_url: str) -> Limiter:
    """The limiter of this process; it connects at its first use."""
    return Limiter(redis_url)


def address_of(request: HttpRequest) -> str:
    """The address by which a request is counted; see `client_address`."""
    return client_address(
        request.META.get("REMOTE_ADDR") or "",
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        conf.trusted_proxies,
    )


def seconds_to_wait(endpoint: str, whose: str) -> int:
    """Count a request. Returns 0 if OAUTH_RATE_LIMITS allows it, else the seconds until the next one is.

    Args:
        endpoint: A name in that setting. One that is missing has no limit, except for passwords, which keep
            their own as long as there are any limits.
        whose: The address, or whatever else requests are counted by. Bounded in length: it is part of a key.
    """
    limit = conf.rate_limits.get(endpoint)
    if limit is None and conf.rate_limits:
        limit = PASSWORD_LIMITS.get(endpoint)
    return 0 if limit is None else limiter(conf.redis_url).seconds_to_wait(parse(limit), endpoint, whose)


def rate_limited(endpoint: str, view: View) -> View:
    """The view, limited to the requests per address that OAUTH_RATE_LIMITS allows."""

    @wraps(view)
    def rate_limited_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if wait := seconds_to_wait(endpoint, address_of(request)):
            return too_many(request, endpoint, wait)
        return view(request, *args, **kwargs)

    return rate_limited_view


def too_many(request: HttpRequest, endpoint: str, wait: int, **fields: str) -> HttpResponse:
    """The response to a request over the limit: 429, with the seconds to wait. The fields are for the log."""
    facts = {"endpoint": endpoint, "address": address_of(request), "wait": wait}
    log.warning("too many requests", extra=facts | fields)
    if is_api_request(request):
        sentence = f"There are too many requests from your address. Try again in {wait} seconds."
        response: HttpResponse = refusal("too_many_requests", sentence, status=429)
    else:
        context = {"wait": wait, "is_password": endpoint in PASSWORD_LIMITS}
        response = render(request, "oauth_app/too_many.html", context, status=429)
    response["Retry-After"] = str(wait)
    response["Cache-Control"] = "no-store"
    return response
