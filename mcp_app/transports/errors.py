"""Errors of the transport. Their HTTP statuses and JSON-RPC codes are defined only here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
    RequestId,
)
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcp_app.access import InsufficientScope
from mcp_app.auth.authorization_server import AuthorizationServerUnavailable
from mcp_app.auth.tokens import Principal, TokenWithdrawn
from mcp_app.calls.call import ACCESS_WITHDRAWN
from mcp_app.calls.recovery import WORKER_LOST
from mcp_app.conf import conf
from mcp_app.coordination.limits import QuotaExceeded
from mcp_app.coordination.quotas import Quotas
from mcp_app.exceptions import RETRY_AFTER_SECONDS, Store, Unavailable, Unreadable
from mcp_app.protocol.messages import InvalidMessage, TooManyValues, error_response
from mcp_app.protocol.words import shortened
from mcp_app.runtime import Stopped
from mcp_app.sessions.store import SessionNotFound

logger = logging.getLogger(__name__)

HeaderList = Sequence[tuple[bytes, bytes]]

REASONS = {
    400: "malformed",
    403: "origin",
    405: "http_method",
    406: "accept",
    408: "slow_body",
    413: "too_large",
    415: "content_type",
    421: "host",
    431: "head_too_large",
    500: "crash",
}
"""The reason of an `HttpError` that names none, by its status."""

_UNAVAILABLE = {Store.SESSIONS: "sessions_unavailable", Store.DATABASE: "database_unavailable"}


class HttpError(Exception):
    """A request that is rejected before it reaches the server.

    Args:
        status: HTTP status.
        message: A human-readable message.
        code: JSON-RPC error code.
        headers: Additional response headers.
        data: Machine-readable details.
        request_id: The id of the rejected request, if it could be parsed.
        reason: Why, in a word for audits and metrics, as the message may contain what the client sent. By
            default it follows from the status. docs/audit.md lists all.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: int = INVALID_REQUEST,
        headers: HeaderList = (),
        data: Any = None,
        request_id: RequestId | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or REASONS[status]
        self.status = status
        self.headers = headers
        self.code = code
        self.data = data
        self.request_id = request_id

    def body(self, request_id: RequestId | None = None) -> dict[str, Any]:
        """The JSON-RPC error response."""
        error = ErrorData(code=self.code, message=str(self), data=self.data)
        return error_response(self.request_id if request_id is None else request_id, error)


SESSION_NOT_FOUND = -32001
"""The code of the TypeScript SDK, which clients recognize in addition to the status 404."""


class Challenge(HttpError):
    """An error with a challenge: which token to get, and where (RFC 6750 §3, RFC 9728 §5.1).

    Args:
        status: HTTP status.
        message: A human-readable message.
        fields: The parameters of the challenge, in order.
        reason: See `HttpError`.
    """

    def __init__(self, status: int, message: str, fields: Mapping[str, str], reason: str) -> None:
        super().__init__(status, message, reason=reason)
        self._fields = fields
        self.name_metadata(fields["resource_metadata"])

    def name_metadata(self, url: str) -> None:
        """Set the metadata URL of the endpoint that the client called."""
        fields = {**self._fields, "resource_metadata": url}
        value = "Bearer " + ", ".join(f'{name}="{text}"' for name, text in fields.items())
        self.headers = [(b"www-authenticate", value.encode())]


def challenge(
    status: int, error: str | None, description: str, scopes: Sequence[str] | None = None
) -> Challenge:
    """A challenge as RFC 6750 §3 specifies it.

    Args:
        status: HTTP status.
        error: The error code; None for a request without a token.
        description: A human-readable message.
        scopes: All scopes that the request needs, if it needs more than every request does.
    """
    fields = {
        "resource_metadata": conf.resource_metadata_url,
        "scope": " ".join(conf.required_scopes if scopes is None else scopes),
    }
    if error is not None:
        fields = {"error": error, "error_description": description, **fields}
    return Challenge(status, description, fields, reason=error or "no_token")


def insufficient_scope(error: InsufficientScope) -> Challenge:
    """For a token that lacks a scope; the challenge names all required scopes (RFC 6750 §3.1)."""
    return challenge(403, "insufficient_scope", str(error), error.needed)


def token_withdrawn() -> Challenge:
    """For a request whose token was withdrawn while it ran."""
    return challenge(401, "invalid_token", ACCESS_WITHDRAWN)


def unsupported_coding() -> HttpError:
    """For a body with a Content-Encoding, such as gzip (RFC 9110 §8.4, §15.5.16)."""
    return HttpError(
        415,
        "A body with a Content-Encoding is not supported; send it as it is.",
        headers=[(b"accept-encoding", b"identity")],
        reason="content_encoding",
    )


def body_too_large(limit: int) -> HttpError:
    return HttpError(413, f"The body is longer than {limit} bytes.")


def shutting_down() -> HttpError:
    return HttpError(
        503,
        "This process is shutting down; retry.",
        INTERNAL_ERROR,
        headers=[(b"retry-after", b"1")],
        reason="shutting_down",
    )


def worker_lost() -> HttpError:
    """For a stateless call that is still running at shutdown: it cannot be resumed."""
    return HttpError(503, WORKER_LOST, INTERNAL_ERROR, data={"reason": "worker_lost"}, reason="worker_lost")


def stream_too_long(limit: int) -> HttpError:
    """For a stateless call that has sent all that fits on one connection: it cannot be resumed."""
    message = (
        f"The call sent more than {limit} bytes (MCP_MAX_STREAM_BYTES) before its result; it was cancelled."
    )
    data = {"reason": "stream_too_long", "limit": limit}
    return HttpError(500, message, INTERNAL_ERROR, data=data, reason="stream_too_long")


def too_many_listening(limit: int) -> HttpError:
    """For one more `subscriptions/listen` than a process serves; another may have room."""
    return HttpError(
        503,
        f"This process already serves {limit} requests of subscriptions/listen, and no more; try again.",
        INTERNAL_ERROR,
        headers=[(b"retry-after", b"1")],
        data={"limit": limit},
        reason="listeners",
    )


def too_many_listeners_for_user(limit: int) -> HttpError:
    """For one more `subscriptions/listen` of a user with a full share here; another process may have room.

    Args:
        limit: How many this process serves for one user now.
    """
    return HttpError(
        503,
        f"This process now serves at most {limit} requests of subscriptions/listen for one user; try again.",
        INTERNAL_ERROR,
        headers=[(b"retry-after", b"1")],
        data={"limit": limit},
        reason="listeners",
    )


def unknown_event_id() -> HttpError:
    """For a stream that cannot be resumed from this event, so that the client does not wait for it."""
    message = "The Last-Event-ID is unknown to this session, or too old to resume from."
    return HttpError(400, message, reason="last_event_id")


def unsupported_revision(requested: str) -> HttpError:
    """For an unsupported revision; the error lists all supported ones, newest first."""
    data = {"supported": list(reversed(KNOWN_PROTOCOL_VERSIONS)), "requested": requested}
    message = "This protocol version is not supported."
    return HttpError(400, message, UNSUPPORTED_PROTOCOL_VERSION, data=data, reason="revision")


def header_mismatch(detail: str) -> HttpError:
    """A header is malformed, or does not match the body (2026-07-28, Streamable HTTP, Server Validation)."""
    return HttpError(400, f"Header mismatch: {detail}", HEADER_MISMATCH, reason="header_mismatch")


def method_not_allowed(allowed: str, hint: str = "") -> HttpError:
    return HttpError(405, f"Method not allowed. {hint}".rstrip(), headers=[(b"allow", allowed.encode())])


def quota_exceeded(error: QuotaExceeded) -> HttpError:
    retry_after = (b"retry-after", str(error.retry_after).encode())
    return HttpError(429, str(error), headers=[retry_after], data=error.data, reason=error.setting)


def log_quota(error: QuotaExceeded, principal: Principal, quotas: Quotas) -> None:
    """Log who is past a limit, once in a while."""
    if quotas.should_log(principal.person_key, error.setting):
        facts = {"username": shortened(principal.person), "client": shortened(principal.client_id)}
        logger.warning("quota exceeded", extra=facts | {"setting": error.setting, "limit": error.limit})


def from_exception(error: Exception) -> HttpError | None:
    """The error for an exception of lower layers; None if it is unexpected, that is, a bug."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, InvalidMessage):
        status = 413 if isinstance(error, TooManyValues) else 400
        return HttpError(status, str(error), error.code, request_id=error.request_id, reason=REASONS[status])
    if isinstance(error, SessionNotFound | Unreadable):
        # The same response for a session that is unknown, has ended, cannot be read, or belongs to another.
        message = "Session not found; send a new initialize request."
        return HttpError(404, message, SESSION_NOT_FOUND, reason="session_not_found")
    if isinstance(error, TokenWithdrawn):
        return token_withdrawn()
    if isinstance(error, InsufficientScope):
        return insufficient_scope(error)
    if isinstance(error, QuotaExceeded):
        return quota_exceeded(error)
    if isinstance(error, Stopped):
        return shutting_down()
    if isinstance(error, AuthorizationServerUnavailable):
        return HttpError(
            503,
            "The authorization server is unavailable, so the token cannot be verified; try again.",
            INTERNAL_ERROR,
            headers=[(b"retry-after", b"5")],
            reason="authorization_server_unavailable",
        )
    if isinstance(error, Unavailable):
        retry_after = (b"retry-after", b"%d" % RETRY_AFTER_SECONDS)
        return HttpError(
            503,
            error.store.value,
            INTERNAL_ERROR,
            headers=[retry_after],
            reason=_UNAVAILABLE[error.store],
        )
    return None
