"""The guard of the MCP endpoints: checks host, origin and bearer token before anything else.

Django's middleware does not run for these endpoints, so its checks are repeated here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from urllib.parse import parse_qs

from django.http.request import split_domain_port, validate_host
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp_types import INTERNAL_ERROR

from mcp_app.access import InsufficientScope
from mcp_app.auth.scopes import covers
from mcp_app.auth.tokens import Principal, TokenWithdrawn
from mcp_app.conf import BODY_SECONDS, conf
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.coordination.shared_timeout import SharedTimeout
from mcp_app.coordination.shares import sharing_person
from mcp_app.exceptions import Store, Unavailable, Unreadable
from mcp_app.hosts import is_loopback
from mcp_app.protocol.personal import values_of
from mcp_app.runtime import Runtime
from mcp_app.transports import errors
from mcp_app.transports.errors import HttpError
from mcp_app.transports.request import ClientDisconnected, Receive, Request, Scope, Send
from mcp_app.transports.responses import respond_error
from mcp_app.worker_threads import watched_by

logger = logging.getLogger(__name__)


_ORIGIN = re.compile(r"https?://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
"""An origin as browsers write it (RFC 6454 §6.1). urlsplit tolerates more: [::1].example is [::1] to some."""

Endpoint = Callable[[Request], Awaitable[None]]


class Guard:
    """An ASGI application that passes only requests with an allowed host and origin and a valid token.

    Tools get the token with the SDK's `get_access_token()`.

    Args:
        endpoint: The guarded endpoint.
        runtime: This process's runtime.
        is_sse: Whether challenges name the metadata of the HTTP+SSE endpoint.
    """

    def __init__(self, endpoint: Endpoint, runtime: Runtime, *, is_sse: bool = False) -> None:
        self._endpoint = endpoint
        self._runtime = runtime
        self._is_sse = is_sse
        self._body_timeout = SharedTimeout(BODY_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send, self._body_timeout)
        try:
            headers = request.headers.raw
            if not _host_is_allowed(headers.get(b"host", b""), conf.allowed_hosts):
                raise HttpError(421, "This host is not served here; see ALLOWED_HOSTS.")
            if request.headers.repeated is not None:
                repeated = request.headers.repeated.title()
                raise HttpError(400, f"There must be one {repeated} header at the most.")
            origin = headers.get(b"origin")
            # Streamable HTTP, Security Warning: an invalid Origin is rejected, a missing one is fine.
            if origin is not None and not origin_is_allowed(origin.decode("latin-1")):
                raise HttpError(403, "Requests from this origin are not allowed; see ALLOWED_ORIGINS.")
            if not self._runtime.is_started:
                await self._runtime.start()
            principal = await self._authenticate(request)
            request.set_principal(principal)
            request.charge_bytes(partial(self._runtime.quotas.charge, principal.person_key))
            if not await self._runtime.quotas.count_requests(principal.person_key):
                await self._slow_down(request)
            if not covers(principal.scopes, conf.required_scopes):
                raise InsufficientScope(principal.scopes, conf.required_scopes)
            context = auth_context_var.set(principal)
            values = values_of.set(self._runtime.person_data)
            watcher = watched_by.set(self._runtime.worker_threads)
            share = sharing_person.set(principal.person_key)
            try:
                await self._endpoint(request)
            finally:
                sharing_person.reset(share)
                watched_by.reset(watcher)
                values_of.reset(values)
                auth_context_var.reset(context)
        except ClientDisconnected:
            return
        except Exception as error:
            refusal = errors.from_exception(error)
            if refusal is None:
                logger.exception("request crashed")
                refusal = HttpError(500, "Internal server error.", INTERNAL_ERROR)
            elif isinstance(error, QuotaExceeded):
                errors.log_quota(error, request.principal, self._runtime.quotas)
            elif isinstance(error, Unavailable) and not isinstance(error, Unreadable):
                reason = {"reason": str(error)}
                if error.store is Store.SESSIONS:
                    logger.error("Redis unavailable at %s", conf.redis_place, extra=reason)
                else:
                    logger.error("database unavailable", extra=reason)
            if self._is_sse and isinstance(refusal, errors.Challenge):
                refusal.name_metadata(conf.sse_resource_metadata_url)
            # For a call whose token was withdrawn, observers are notified where the call ends.
            is_told = isinstance(error, TokenWithdrawn) and request.method == "POST"
            request.tell_refused(self._runtime.observers, refusal, is_told=is_told)
            await respond_error(request.send, refusal, request.message_id)

    async def _slow_down(self, request: Request) -> None:
        """Let a request past the rate wait, before its body is read. It may be one that is never refused."""
        request.is_past_rate = True
        quotas, person = self._runtime.quotas, request.principal.person_key
        if not await quotas.pause(person) and request.method != "DELETE":
            raise quotas.rate_exceeded(person)
        if request.method == "GET" and quotas.owes(person):  # a small request for a large response
            raise quotas.rate_exceeded(person)

    async def _authenticate(self, request: Request) -> Principal:
        query = request.scope["query_string"]
        if query and "access_token" in parse_qs(query.decode("latin-1"), keep_blank_values=True):
            raise errors.challenge(
                400, "invalid_request", "Send the token in the Authorization header, not in the URL."
            )
        authorization = request.headers.raw.get(b"authorization", b"").decode("latin-1")
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if not authorization:
            raise errors.challenge(401, None, "A bearer token is required.")
        if scheme.lower() != "bearer" or not token:
            raise errors.challenge(
                401, "invalid_token", "The Authorization header does not contain a bearer token."
            )
        principal = await self._runtime.tokens.verify(token)
        if principal is None:
            raise errors.challenge(
                401, "invalid_token", "The token is unknown, expired, revoked or for another resource."
            )
        return principal


@lru_cache(maxsize=256)
def _host_is_allowed(host: bytes, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, allowed)


def origin_is_allowed(origin: str) -> bool:
    """Whether a browser page of this origin may call the MCP endpoints.

    Loopback origins may: MCP Inspector and other development tools use them.
    """
    if origin in conf.allowed_origins:
        return True
    parts = _ORIGIN.fullmatch(origin)
    return parts is not None and is_loopback(parts["host"].strip("[]"))
