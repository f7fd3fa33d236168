"""Validates what a request of 2026-07-28 says about itself in its headers and its `_meta`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_PROTOCOL_VERSION, JSONRPCRequest
from starlette.datastructures import Headers as RepeatedHeaders

from mcp_app.protocol import client_declaration
from mcp_app.protocol.mirrored_headers import fault
from mcp_app.sdk import (
    ERROR_CODE_HTTP_STATUS,
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    NAME_BEARING_METHODS,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
)
from mcp_app.transports import errors
from mcp_app.transports.request import Request

_MIRRORS = (b"mcp-method", b"mcp-name", b"mcp-param-")
"""The headers that mirror the body."""

_PLAIN = re.compile(rb"[\t\x20-\x7e]*")
"""The allowed characters of such headers; clients encode anything else (Value Encoding)."""


_REASONS = {HEADER_MISMATCH: "header_mismatch", UNSUPPORTED_PROTOCOL_VERSION: "revision"}


def route_of(request: Request, message: JSONRPCRequest) -> InboundModernRoute:
    """Apply the SDK's rules for headers and `_meta` of this revision.

    Raises:
        HttpError: They do not match, or the revision is not supported.
    """
    lines, values = request.scope["headers"], request.headers.raw
    has_repeated = len(lines) > len(values)
    if has_repeated:
        duplicated = find_duplicated_routing_header(RepeatedHeaders(raw=lines).items())
        if duplicated:
            raise errors.header_mismatch(f"{duplicated} appears more than once.")
    if has_repeated or not _PLAIN.fullmatch(b"".join(values.values())):
        for name, value in lines:
            if name.startswith(_MIRRORS) and not _PLAIN.fullmatch(value):
                raise errors.header_mismatch(f"{name.decode('latin-1')} contains invalid characters.")
    verdict = classify_inbound_request(
        {"method": message.method, "params": message.params}, headers=request.headers
    )
    if isinstance(verdict, InboundLadderRejection):
        if verdict.code == HEADER_MISMATCH:
            _raise_for_mirrored_headers(request.headers, message)
        raise refusal_of(verdict)
    try:
        return InboundModernRoute(
            verdict.protocol_version,
            client_declaration.info(verdict.client_info),
            client_declaration.capabilities(verdict.client_capabilities),
        )
    except MCPError as error:
        raise refusal_of(InboundLadderRejection(error.code, error.message)) from error


def refusal_of(rejection: InboundLadderRejection) -> errors.HttpError:
    """Convert a rejection by the SDK's ladder to a response."""
    status = ERROR_CODE_HTTP_STATUS.get(rejection.code, 400)
    return errors.HttpError(
        status,
        rejection.message,
        rejection.code,
        data=rejection.data,
        reason=_REASONS.get(rejection.code, "malformed"),
    )


def _raise_for_mirrored_headers(headers: Mapping[str, str], request: JSONRPCRequest) -> None:
    """Raise a precise error about `Mcp-Method` or `Mcp-Name`.

    The SDK says "does not match" also for a missing header, and for a name that is not a string.
    """
    wrong = fault("Mcp-Method", headers.get(MCP_METHOD_HEADER), "the request's method", request.method)
    key = NAME_BEARING_METHODS.get(request.method, "")
    expected = (request.params or {}).get(key)
    if wrong is None and expected is not None:
        if not isinstance(expected, str):
            message = f"Invalid params: `params.{key}` must be a string"
            raise errors.HttpError(400, message, INVALID_PARAMS)
        value = headers.get(MCP_NAME_HEADER)
        wrong = fault("Mcp-Name", value, f"the body's `params.{key}`", expected, is_encoded=True)
    if wrong is not None:
        raise errors.header_mismatch(wrong)
