"""The guard of the MCP endpoints: host, origin and bearer token are checked before anything else.

Django's middleware does not run for what Channels routes, so its checks are made here.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from django.http.request import split_domain_port, validate_host
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp_types import INTERNAL_ERROR, JSONRPCRequest

from mcp_app.auth.scopes import suffice
from mcp_app.auth.tokens import Principal
from mcp_app.conf import conf
from mcp_app.exceptions import Store, Unavailable
from mcp_app.hosts import is_loopback
from mcp_app.protocol.messages import Message
from mcp_app.runtime import Runtime
from mcp_app.transports import errors
from mcp_app.transports.errors import HttpError
from mcp_app.transports.request import (
    Asgi,
    ClientDisconnected,
    Receive,
    Scope,
    Send,
    headers_of,
    request_id_of,
)
from mcp_app.transports.responses import respond_error

logger = logging.getLogger(__name__)


class Guard:
    """ASGI middleware: lets requests through that come to the right host with a valid token.

    Behind it `scope["user"]` is the `Principal`, whose token tools reach by the SDK's `get_access_token()`.

    Args:
        app: What is guarded.
        runtime: This process's runtime.
        is_sse: Whether clients know what is guarded as HTTP+SSE, whose metadata the challenges then name.
    """

    def __init__(self, app: Asgi, runtime: Runtime, *, is_sse: bool = False) -> None:
        self._app = app
        self._runtime = runtime
        self._is_sse = is_sse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = headers_of(scope)
            self._check_host(headers.get("host", ""))
            self._check_origin(headers.get("origin"))
            await self._runtime.start()
            principal = await self._authenticate(scope, headers.get("authorization", ""))
            scope["user"] = principal
            context = auth_context_var.set(principal)
            try:
                await self._app(scope, receive, send)
            finally:
                auth_context_var.reset(context)
        except ClientDisconnected:
            return
        except Exception as error:
            refusal = errors.from_exception(error)
            if refusal is None:
                logger.exception("a request failed")
                refusal = HttpError(500, "Internal server error.", INTERNAL_ERROR)
            elif isinstance(error, Unavailable) and error.store is Store.DATABASE:
                logger.error("database unavailable", extra={"reason": str(error)})
            if self._is_sse and isinstance(refusal, errors.Challenge):
                refusal.name_metadata(conf.sse_resource_metadata_url)
            await respond_error(send, refusal, request_id_of(scope))

    def _check_host(self, host: str) -> None:
        if not _host_is_allowed(host, conf.allowed_hosts):
            raise HttpError(421, "This host is not served here; see ALLOWED_HOSTS.")

    def _check_origin(self, origin: str | None) -> None:
        """Streamable HTTP, Security Warning: a foreign Origin is refused, an absent one is fine."""
        if origin is not None and not origin_is_allowed(origin):
            raise HttpError(403, "Requests from this origin are not allowed; see ALLOWED_ORIGINS.")

    async def _authenticate(self, scope: Scope, authorization: str) -> Principal:
        query = scope["query_string"].decode("latin-1")
        if query and "access_token" in parse_qs(query, keep_blank_values=True):  # whatever way it is encoded
            raise errors.challenge(
                400, "invalid_request", "Send the token in the Authorization header, not in the URL."
            )
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if not authorization:
            raise errors.challenge(401, None, "A bearer token is needed.")
        if scheme.lower() != "bearer" or not token:
            raise errors.challenge(401, "invalid_token", "The Authorization header holds no bearer token.")
        principal = await self._runtime.tokens.verify(token)
        if principal is None:
            raise errors.challenge(
                401, "invalid_token", "The token is unknown, expired, revoked or for another resource."
            )
        if not suffice(principal.scopes, conf.required_scopes):
            raise errors.insufficient_scope(principal.scopes, conf.required_scopes)
        return principal


async def check_scopes(runtime: Runtime, principal: Principal, message: Message) -> None:
    """See to it that the token may do what the message asks for; called before anything runs.

    Raises:
        HttpError: 403 with a challenge that names all scopes that the operation needs.
    """
    if isinstance(message, JSONRPCRequest):
        more = await runtime.scopes.needed(message.method, message.params)
        if more and not suffice(principal.scopes, more):
            raise errors.insufficient_scope(principal.scopes, (*conf.required_scopes, *more))


@lru_cache(maxsize=256)
def _host_is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def origin_is_allowed(origin: str) -> bool:
    """Whether a browser page of this origin may talk to the MCP endpoints.

    A page on this computer may: MCP Inspector and other development tools are such pages.
    """
    if origin in conf.allowed_origins:
        return True
    try:
        url = urlsplit(origin)
        return url.scheme in ("http", "https") and is_loopback(url.hostname)
    except ValueError:
        return False
