"""A call: a running request, as the SDK and its handlers see it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import anyio
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import ProgressToken, RequestId

from mcp_app.ids import short_id
from mcp_app.observers import NOBODY, CallFacts
from mcp_app.protocol.facts import facts_of
from mcp_app.sdk import CallOptions, ServerMessageMetadata, TransportContext, progress_token_from_params


class Call:
    """The base of all calls, which differ in where a handler's messages go. Run one with `serve`.

    Implements the SDK's `mcp.shared.dispatcher.DispatchContext`, without requests to the client.

    Args:
        method: The method of the request.
        params: The parameters of the request.
        request_id: Its id; None for a notification.
        headers: The headers of the HTTP request; None if it does not run for one.

    Attributes:
        began: When it arrived here, by `time.perf_counter`.
        is_told: Whether observers have been told how it is answered, or somebody else will tell them.
    """

    kind = "streamable-http"
    can_send_request = False
    session_id: str | None = None
    revision = ""
    """The protocol revision; empty while it is being negotiated."""
    is_recovered = False
    """Whether it was started before, by a process that died or stopped."""
    runs = 1
    """How often it has been started, over all processes."""
    observers = NOBODY
    """The observers to notify about it."""
    _facts: CallFacts | None = None  # no cached_property, which takes a lock before Python 3.12

    def __init__(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        request_id: RequestId | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.began = time.perf_counter()
        self.is_told = False
        self.method = method
        self.params = params
        self.request_id = request_id
        self.request_headers: Mapping[str, str] = {} if headers is None else headers

    @property
    def transport(self) -> TransportContext:
        """Describes the transport to the SDK."""
        return TransportContext(
            kind=self.kind, can_send_request=self.can_send_request, headers=self.request_headers or None
        )

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        """The source of `ctx.request`: the call itself, unless overridden."""
        return ServerMessageMetadata(request_context=self)

    @property
    def progress_token(self) -> ProgressToken | None:
        """The token with which the client requested progress notifications."""
        return progress_token_from_params(self.params)

    @cached_property
    def cancel_requested(self) -> anyio.Event:
        """How the SDK signals cancellation to a handler; the call's task is cancelled as well."""
        return anyio.Event()

    @property
    def facts(self) -> CallFacts:
        """What observers are told of it."""
        if self._facts is None:
            self._facts = self._find_facts()
        return self._facts

    def _find_facts(self) -> CallFacts:
        is_task = self.kind == "task"  # whose id gives access to its result
        kind = "task" if is_task else "stateless" if self.session_id is None else "session"
        return facts_of(
            self.method,
            self.params,
            kind=kind,
            session=self.session_id,
            revision=self.revision,
            request_id=short_id(str(self.request_id)) if is_task else self.request_id,
        )

    @property
    def cancelled_as(self) -> str | None:
        """How it ended if its task was cancelled, for observers; None if another process goes on with it."""
        return "cancelled" if self.cancel_requested.is_set() else None

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request to the client.

        Raises:
            NoBackChannelError: This call cannot.
        """
        raise NoBackChannelError(method)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Send the client a notification that belongs to this call."""
        raise NotImplementedError

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client gave a token for it. A total that is not finite is left out."""
        if (token := self.progress_token) is None or not _is_finite(progress):
            return
        params: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None and _is_finite(total):
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.notify("notifications/progress", params)


def _is_finite(number: float) -> bool:
    return -math.inf < number < math.inf


class RequestInfo:
    """The HTTP request as handlers see it (`ctx.request`): its headers, and its session if any."""

    __slots__ = ("headers", "session")

    def __init__(self, headers: Mapping[str, str], session: Any) -> None:
        self.headers = headers
        self.session = session
