"""What a client says about itself: in `initialize`, or in the `_meta` of each request (2026-07-28).

A session keeps it for a day, in Redis and in the memory of every process that serves it, and a listen stream
for as long as it is open. So only what a server uses is kept, and that within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

MAX_NAME_LENGTH = 256
"""The maximum length of a client's name, title, version and revision, in characters."""

MAX_CAPABILITIES_BYTES = 8 * 1024
"""The maximum size of the capabilities, as JSON. Those of known clients take less than a tenth of it."""

_USED = ("name", "title", "version")

_MODES = ("form", "url")
"""The modes of elicitation (2025-11-25, client/elicitation, "Capabilities")."""


def initialize(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `initialize` that a session keeps; what is malformed is left to validation.

    Raises:
        MCPError: Something is too long.
    """
    bounds: dict[str, Callable[[Any], Any]] = {
        "protocolVersion": lambda revision: _bounded("protocolVersion", revision),
        "capabilities": capabilities,
        "clientInfo": info,
    }
    return {name: bound(params[name]) for name, bound in bounds.items() if name in params}


def info(declared: Any) -> Any:
    """`clientInfo` without what no server uses: icons, which may be images as `data:` URIs, and the like.

    Raises:
        MCPError: The name, title or version is too long.
    """
    if not isinstance(declared, dict):
        return declared
    return {name: _bounded(f"clientInfo.{name}", declared[name]) for name in _USED if name in declared}


def capabilities(declared: Any) -> Any:
    """The capabilities, without modes of elicitation that this server does not know.

    Raises:
        MCPError: They are too long.
    """
    if declared and len(pydantic_core.to_json(declared)) > MAX_CAPABILITIES_BYTES:
        raise _too_much(f"the capabilities must have at most {MAX_CAPABILITIES_BYTES} bytes as JSON")
    return without_unknown_modes(declared)


def without_unknown_modes(capabilities: Any) -> Any:
    """The raw capabilities, without `elicitation` if all its modes are unknown.

    An empty object means forms. The SDK's model drops unknown modes, so an object that has only those would
    look like the empty one.
    """
    declared = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    if not isinstance(declared, dict):
        return capabilities
    modes = {mode for mode, options in declared.items() if options is not None}
    if not modes or not modes.isdisjoint(_MODES):
        return capabilities
    return {name: value for name, value in capabilities.items() if name != "elicitation"}


def _bounded(name: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_NAME_LENGTH:
        raise _too_much(f"`{name}` must have at most {MAX_NAME_LENGTH} characters")
    return value


def _too_much(reason: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"Invalid params: {reason}")
