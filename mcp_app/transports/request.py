"""Reading HTTP requests, as far as the transports need it."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, overload

from mcp_types import JSONRPCNotification, JSONRPCRequest, RequestId

from mcp_app.auth.tokens import Principal
from mcp_app.conf import conf
from mcp_app.coordination.shared_timeout import SharedTimeout
from mcp_app.observers import AnswerFacts, CallFacts, Observers, RefusalFacts
from mcp_app.protocol.facts import UserFacts, shown_id
from mcp_app.protocol.messages import Message
from mcp_app.protocol.words import shortened
from mcp_app.transports import errors

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_ZERO = re.compile(r"q\s*=\s*0(\.0*)?")
"""The parameter that excludes a media type."""

_LARGE_BODY = 256 * 1024
"""Collect garbage after bodies of more bytes; reading them takes longer than that."""

_SESSION_ID = re.compile(r"[0-9a-f]{48}")
"""A well-formed session id; anything else a client sends is not passed to observers."""

_SESSION_IN_QUERY = re.compile(rb"(?:^|&)sessionId=([0-9a-f]{48})(?=&|$)")
"""The same in a query string, which is not parsed, as it may be of any length."""

_JOINED_HEADERS = (b"accept", b"content-encoding", b"mcp-protocol-version")
"""The headers whose repeated lines are joined."""

_SINGLE_HEADERS = (b"authorization", b"content-type", b"mcp-session-id", b"last-event-id")
"""The headers that may have one line only, as two could be read as different requests."""


class Headers(Mapping[str, str]):
    """The headers of a request, by lower-case name, decoded on access.

    Repeated `Accept` and `Content-Encoding` lines are joined (RFC 9110 §5.3), and so are contradicting
    protocol versions, so that they are invalid. For all other headers the first line counts.

    Args:
        lines: The headers of the ASGI scope.

    Attributes:
        raw: The values, by lower-case name.
        repeated: A header that has several lines although it may have one only; None if there is none.
    """

    __slots__ = ("raw", "repeated")

    def __init__(self, lines: list[tuple[bytes, bytes]]) -> None:
        self.raw = dict(lines)
        self.repeated: str | None = None
        if len(self.raw) < len(lines):
            self.raw = dict(reversed(lines))
            for name in _JOINED_HEADERS:
                if name in self.raw:
                    self.raw[name] = b", ".join(dict.fromkeys(value for key, value in lines if key == name))
            names = [name for name, _ in lines]
            self.repeated = next((name.decode() for name in _SINGLE_HEADERS if names.count(name) > 1), None)

    def __getitem__(self, name: str) -> str:
        return self.raw[name.encode()].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str | T) -> str | T: ...
    def get(self, name: str, default: str | T | None = None) -> str | T | None:
        """Like that of any mapping, but not by way of a KeyError: most headers are missing."""
        value = self.raw.get(name.encode())
        return default if value is None else value.decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.encode() in self.raw


class Request:
    """A request to an MCP endpoint. Created by the guard; endpoints only get requests with a principal.

    Attributes:
        scope: The ASGI scope.
        method: The HTTP method.
        receive: The ASGI receive callable.
        send: The ASGI send callable.
        headers: The request headers.
        principal: The authenticated principal.
        is_past_rate: Whether the principal has sent too many requests: only what ends something is accepted.
        message_id: The JSON-RPC id of the message in the body once it is parsed, for error responses.
        began: When it arrived, by `time.perf_counter`.
    """

    __slots__ = (
        "_body_timeout",
        "_charge",
        "_log_fields",
        "began",
        "headers",
        "is_past_rate",
        "message_id",
        "method",
        "principal",
        "receive",
        "scope",
        "send",
    )

    principal: Principal

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_timeout: SharedTimeout) -> None:
        self.began = time.perf_counter()
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.headers = Headers(scope["headers"])
        self.is_past_rate = False
        self._body_timeout = body_timeout
        self._charge: Callable[[int], None] | None = None
        self.message_id: RequestId | None = None
        self._log_fields: dict[str, str | int] = scope.get("state", {}).get("log_fields", {})
        """What is known about the request, for its line in the log, if the site writes one (`RequestLog`)."""

    def set_principal(self, principal: Principal) -> None:
        """Set the principal, and add it to the request log."""
        self.principal = principal
        self._log_fields.update(principal.log_fields)

    def set_message(self, message: Message) -> None:
        """Record the message in the body, and add it to the request log."""
        if isinstance(message, JSONRPCRequest):
            self.message_id = message.id
        if isinstance(message, JSONRPCRequest | JSONRPCNotification):
            self._log_fields["method"] = shortened(message.method)
            if message.method == "tools/call":
                tool = (message.params or {}).get("name")
                if isinstance(tool, str):
                    self._log_fields["tool"] = shortened(tool)

    def set_batch(self, messages: Sequence[Message]) -> None:
        """Add the batch in the body to the request log."""
        self._log_fields["method"] = "batch"
        self._log_fields["messages"] = len(messages)

    def refusal_facts(self, error: errors.HttpError) -> RefusalFacts:
        """What observers are told if it is refused with this error."""
        known = {name: str(value) for name, value in self._log_fields.items()}
        return RefusalFacts(
            error.status,
            error.code,
            str(error),
            self.scope["path"],
            known.get("username", ""),
            known.get("client", ""),
            known.get("method"),
            known.get("tool"),
            error.reason,
        )

    def tell_refused(self, observers: Observers, error: errors.HttpError, *, is_told: bool = False) -> None:
        """Tell observers that it is refused with this error, before the response is sent.

        Args:
            observers: Who is told.
            error: The error.
            is_told: Whether observers are told elsewhere how it is answered.
        """
        if "refused" in observers:
            observers.tell("refused", self.refusal_facts(error))
        if not is_told:
            self.tell_answered(observers, "refused", error)

    def tell_answered(self, observers: Observers, kind: str, error: errors.HttpError | None = None) -> None:
        """Tell observers how a request that is not a call is about to be answered.

        Args:
            observers: Who is told.
            kind: See `AnswerFacts`.
            error: The error by which it is refused.
        """
        if "answered" not in observers:
            return
        seconds = time.perf_counter() - self.began
        answer = (
            AnswerFacts(kind, seconds)
            if error is None
            else AnswerFacts(kind, seconds, code=error.code, status=error.status, reason=error.reason)
        )
        observers.tell_now("answered", self._facts(), answer)

    def _facts(self) -> CallFacts:
        known = {name: str(value) for name, value in self._log_fields.items()}
        session = self.headers.get("mcp-session-id")
        if not session and (found := _SESSION_IN_QUERY.search(self.scope["query_string"])):
            session = found[1].decode()
        user = self.principal.facts if hasattr(self, "principal") else UserFacts()
        return CallFacts(
            known.get("method", self.method),
            known.get("tool"),
            "",
            session if session and _SESSION_ID.fullmatch(session) else None,
            "",
            *user,
            None,
            id=shown_id(self.message_id),
        )

    def charge_bytes(self, charge: Callable[[int], None]) -> None:
        """Charge for the bytes of the body, as it is read, and of the response, as it is sent."""
        send = self.send

        def send_charged(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if body := message.get("body"):
                charge(len(body))
            return send(message)

        self._charge, self.send = charge, send_charged

    def accepts(self, *media_types: str) -> bool:
        """Whether responses of all these media types are acceptable (RFC 9110 §12.5.1).

        Everything is if the Accept header is missing or empty. The most specific range decides; of the
        quality values only zero matters.
        """
        accept = self.headers.raw.get(b"accept")
        return not accept or _accepts(accept, media_types)

    async def read_post(self, *, check_accept: bool = True) -> bytes:
        """Validate the headers of a POST and read its body (Streamable HTTP, Sending Messages).

        Raises:
            HttpError: Wrong Content-Type or Accept, a Content-Encoding, or a body that is too long or takes
                too long to arrive.
            ClientDisconnected: The client disconnected before the body was complete.
        """
        if not _is_json(self.headers.raw.get(b"content-type", b"")):
            raise errors.HttpError(415, "The Content-Type must be application/json.")
        coding = self.headers.raw.get(b"content-encoding")
        if coding and coding.lower() != b"identity":
            raise errors.unsupported_coding()
        if check_accept and not self.accepts("application/json", "text/event-stream"):
            raise errors.HttpError(406, "A POST must accept both application/json and text/event-stream.")
        limit = conf.max_body_bytes
        declared = self.headers.raw.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise errors.body_too_large(limit)
        try:
            body = await self._body_timeout.wait_for(self._read_body(limit))
        except TimeoutError:
            raise errors.HttpError(408, "The body took too long to arrive.") from None
        if len(body) > _LARGE_BODY:
            _free_earlier_bodies()
        return body

    async def _read_body(self, limit: int) -> bytes:
        body = bytearray()  # extending bytes would copy them for each chunk
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk = message.get("body", b"")
            if self._charge is not None:
                self._charge(len(chunk))
            body.extend(chunk)
            if len(body) > limit:
                raise errors.body_too_large(limit)
            if not message.get("more_body", False):
                return bytes(body)

    async def until_disconnect(self) -> None:
        """Wait until the client has closed the connection, or the response is complete."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


class ClientDisconnected(Exception):
    """The client disconnected before the request was complete."""


# Clients mostly send the same values, so the results are cached by the raw bytes.


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    return content_type.split(b";")[0].strip().lower() == b"application/json"


@lru_cache(maxsize=256)
def _accepts(accept: bytes, media_types: tuple[str, ...]) -> bool:
    quality: dict[str, bool] = {}
    for part in accept.decode("latin-1").split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality[media_range] = not any(_ZERO.fullmatch(parameter) for parameter in parameters)
    ranges = [(media_type, f"{media_type.split('/')[0]}/*", "*/*") for media_type in media_types]
    return all(next((quality[each] for each in one if each in quality), False) for one in ranges)


def _free_earlier_bodies() -> None:
    """Collect garbage: finished requests, and with them their bodies, are part of reference cycles.

    The collector counts objects, not bytes, so a few large bodies would not trigger it. Every eleventh
    collection is a full one, for objects that survived an earlier collection.
    """
    young_collections = gc.get_count()[2]
    gc.collect(2 if young_collections >= 10 else 1)
