"""The era of a request, which decides how it is handled (2026-07-28, Versioning and Compatibility).

Up to 2025-11-25 a session negotiates its revision with `initialize`. From 2026-07-28 on every request names
its revision, in `_meta` and equally in the header `MCP-Protocol-Version`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import PROTOCOL_VERSION_META_KEY, JSONRPCNotification, JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcp_app.protocol.messages import Message
from mcp_app.transports import errors

_VERSION_HEADER = "mcp-protocol-version"

_ABSENT = object()


def is_modern(headers: Mapping[str, str], message: Message | None = None) -> bool:
    """Whether a request is served without a session, by its header and the `_meta` of its message.

    For `initialize` the header is ignored: at that point a client can only send its own default, and the
    header is required on subsequent requests only (2025-11-25, Transports, Protocol Version Header).

    Args:
        headers: The request headers.
        message: The message, if the body is a single one that could be parsed.

    Raises:
        HttpError: 400; the revision is not supported (-32022), or header and `_meta` disagree (-32020).
    """
    named = _named_in(message)
    if isinstance(message, JSONRPCRequest) and message.method == "initialize" and named is _ABSENT:
        return False
    revision = headers.get(_VERSION_HEADER)
    if revision is not None and revision not in KNOWN_PROTOCOL_VERSIONS:
        raise errors.unsupported_revision(revision)
    if revision in MODERN_PROTOCOL_VERSIONS:
        return True
    agrees = named in HANDSHAKE_PROTOCOL_VERSIONS if revision is None else named == revision
    if named is not _ABSENT and not agrees:
        header = "missing" if revision is None else f"{revision!r}"
        raise errors.header_mismatch(f"MCP-Protocol-Version is {header}, and _meta names {named!r:.60}.")
    return False


def is_modern_by_meta(message: Message) -> bool:
    """Whether the `_meta` of a message names a revision that is served without a session."""
    return _named_in(message) in MODERN_PROTOCOL_VERSIONS


def _named_in(message: Message | None) -> Any:
    """The revision in the `_meta` of a message: any JSON value, as it is not validated yet."""
    if not isinstance(message, JSONRPCRequest | JSONRPCNotification) or not message.params:
        return _ABSENT
    meta = message.params.get("_meta")
    return meta.get(PROTOCOL_VERSION_META_KEY, _ABSENT) if isinstance(meta, dict) else _ABSENT
