"""The non-public parts of the SDK: used in one module only, to be checked at each release."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from mcp.server import ServerRequestContext

from mcp_app import sdk

ROOT = Path(__file__).resolve().parents[2]

INSIDE = {
    "mcp.server.connection": ["Connection", "allowed_log_levels"],
    "mcp.server.context": ["CallNext", "HandlerResult", "ServerMiddleware"],
    "mcp.server.lowlevel.helper_types": ["ReadResourceContents"],
    "mcp.server.runner": ["ServerRunner", "modern_error_data"],
    "mcp.server.session": ["ServerSession"],
    "mcp.shared.dispatcher": ["CallOptions", "as_request_id"],
    "mcp.shared.inbound": [
        "ERROR_CODE_HTTP_STATUS",
        "InboundLadderRejection",
        "InboundModernRoute",
        "MCP_METHOD_HEADER",
        "MCP_NAME_HEADER",
        "NAME_BEARING_METHODS",
        "X_MCP_HEADER_KEY",
        "classify_inbound_request",
        "decode_header_value",
        "find_duplicated_routing_header",
        "validate_mcp_param_headers",
    ],
    "mcp.shared.jsonrpc_dispatcher": ["progress_token_from_params"],
    "mcp.shared.message": ["ServerMessageMetadata", "SessionMessage"],
    "mcp.shared.subscriptions": [
        "PromptsListChanged",
        "ResourceUpdated",
        "ResourcesListChanged",
        "SUBSCRIPTION_ID_META_KEY",
        "ServerEvent",
        "ToolsListChanged",
        "event_to_notification",
    ],
    "mcp.shared.transport_context": ["TransportContext"],
    "mcp_types.methods": ["SPEC_CLIENT_METHODS"],
}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports from somewhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("module", INSIDE)
def test_the_non_public_parts_of_the_sdk_have_what_is_used(module: str) -> None:
    for name in INSIDE[module]:
        assert getattr(sdk, name) is getattr(importlib.import_module(module), name)


def test_nothing_else_of_it_is_used() -> None:
    imported = {name for module, name in imports(Path(sdk.__file__))}
    assert imported == {name for names in INSIDE.values() for name in names}


def test_no_other_module_uses_non_public_parts() -> None:
    reaching = {
        f"{path.relative_to(ROOT)}: from {module} import {name}"
        for part in ("mcp_app", "everything_site", "oauth_app", "fakeupstream")
        for path in (ROOT / part).rglob("*.py")
        for module, name in imports(path)
        if module in INSIDE or module.startswith("mcp.server.lowlevel")
        if path != Path(sdk.__file__)
    }
    assert not reaching, "import it by way of mcp_app/sdk.py, and name it in this test"


def test_no_handler_can_reach_the_exit_stack_of_its_connection() -> None:
    """So `mcp_app.protocol.serve` need not close it. Close it once a release gives access."""
    names = {field.name for field in fields(ServerRequestContext)} | set(dir(sdk.ServerSession))
    assert names.isdisjoint({"connection", "exit_stack"})
