"""A call: one request as the SDK and its handlers see it while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import anyio
from mcp.shared.exceptions import NoBackChannelError
from mcp_types import ProgressToken, RequestId

from mcp_app.sdk import CallOptions, ServerMessageMetadata, TransportContext, progress_token_from_params


class Call:
    """The base of all calls, which differ in where a handler's messages go. Run one with `serve`.

    It satisfies the SDK's `mcp.shared.dispatcher.DispatchContext`, with no way to ask the client anything.

    Args:
        method: Of the request.
        params: Of the request.
        request_id: Its id; None for a notification.
        transport: What the SDK is told of the way by which it came.
    """

    can_send_request = False

    def __init__(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        request_id: RequestId | None,
        transport: TransportContext,
    ) -> None:
        self.method = method
        self.params = params
        self.request_id = request_id
        self.transport = transport

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        """What the SDK makes `ctx.request` of: the call itself, unless a subclass has something better."""
        return ServerMessageMetadata(request_context=self)

    @property
    def progress_token(self) -> ProgressToken | None:
        """What the client gave to hear of progress."""
        return progress_token_from_params(self.params)

    @cached_property
    def cancel_requested(self) -> anyio.Event:
        """The SDK's way to tell a handler that it is cancelled; the call's task itself is cancelled, too."""
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Ask the client.

        Raises:
            NoBackChannelError: It cannot be asked.
        """
        raise NoBackChannelError(method)

    async def notify(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> None:
        """Send the client a notification that belongs to this call."""
        raise NotImplementedError

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client gave a token for it."""
        if (token := self.progress_token) is None:
            return
        params: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self.notify("notifications/progress", params)


class ClientRequest:
    """What a handler can see of the HTTP request (`ctx.request`): its headers, and its session if any."""

    __slots__ = ("headers", "session")

    def __init__(self, headers: Mapping[str, str], session: Any) -> None:
        self.headers = headers
        self.session = session
