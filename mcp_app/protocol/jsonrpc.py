"""Building JSON-RPC messages (2025-11-25, basic, Messages)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import ErrorData, RequestId

Message = dict[str, Any]


def notification(method: str, params: Mapping[str, Any] | None = None) -> Message:
    message: Message = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = dict(params)
    return message


def request(request_id: RequestId, method: str, params: Mapping[str, Any] | None = None) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, **notification(method, params)}


def error_response(request_id: RequestId | None, error: ErrorData) -> Message:
    """An error response; the id is null if the request could not be parsed."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error.model_dump(mode="json", exclude_none=True)}
