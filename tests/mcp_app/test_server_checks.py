"""Each mistake in the server that MCP_SERVER names is reported with its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from mcp.server.mcpserver import MCPServer

from mcp_app.access import requires
from mcp_app.server_checks import check_required_scopes, check_server
from tests.support.tokens import UserTokens


def ids(messages: list[Any]) -> list[str | None]:
    return [message.id for message in messages]


class OwnTokens(UserTokens):
    """The tokens of an authorization server of which it is known what they may be for."""

    @staticmethod
    def issued_scopes() -> list[str]:
        return ["mcp", "orders:read"]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("nowhere.build", "cannot be imported"),
        ("mcp_app.server.nothing", "nothing"),
        ("math.pi", "called"),
    ],
)
def test_a_server_that_cannot_be_built(settings: Any, path: str, fault: str) -> None:
    settings.MCP_SERVER = path
    [message] = check_server(None)
    assert message.id == "mcp_app.E002"
    assert fault in message.msg


def without_parameter() -> None: ...


def build_number(engine: Any) -> int:
    return 1


def build_alone(engine: Any) -> MCPServer[Any]:
    return MCPServer("alone")


@pytest.mark.parametrize(
    ("factory", "fault"),
    [
        (without_parameter, "TypeError: without_parameter() takes 0 positional arguments"),
        (build_number, "must return an MCPServer, not 1"),
        (build_alone, "**engine.options()"),
    ],
)
def test_a_function_that_builds_no_server_is_reported_with_its_reason(
    settings: Any, factory: Callable[..., Any], fault: str
) -> None:
    settings.MCP_SERVER = f"{__name__}.{factory.__name__}"
    [message] = check_server(None)
    assert message.id == "mcp_app.E002"
    assert fault in message.msg


def build_from_tables(engine: Any) -> MCPServer[Any]:
    raise OperationalError("no such table: shop")


def test_a_function_that_needs_tables_does_not_keep_migrate_from_making_them(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.build_from_tables"
    assert ids(check_server(None)) == []


def test_a_module_with_a_syntax_error_is_reported(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_shop.py").write_text("def build(:")
    monkeypatch.syspath_prepend(tmp_path)
    settings.MCP_SERVER = "broken_shop.build"
    [message] = check_server(None)
    assert message.id == "mcp_app.E002"
    assert "SyntaxError" in message.msg


def guarded(engine: Any) -> MCPServer[Any]:
    """A server with a tool that requires a permission."""
    server: MCPServer[Any] = MCPServer("guarded", **engine.options())
    server.add_tool(lambda: "", name="invite", meta=requires(permission="auth.add_user"))
    return server


def misspelt(engine: Any) -> MCPServer[Any]:
    """The same, with another tool whose permission no model has."""
    server = guarded(engine)
    server.add_tool(lambda: "", name="open", meta=requires(scopes=["orders:write"]))
    server.add_tool(lambda: "", name="groups", meta=requires(permission="auth.view_group"))
    server.add_tool(lambda: "", name="remove", meta=requires(permission="auth.delete_usr"))
    return server


def test_a_permission_that_no_model_has_is_named_with_its_tool(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.misspelt"
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    [message] = check_server(None)
    assert message.id == "mcp_app.W007"
    assert "'remove'" in message.msg
    assert "'auth.delete_usr'" in message.msg


def test_a_permission_of_the_meta_of_a_model_is_known(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(User._meta, "permissions", [("delete_usr", "Can delete a usr")])
    settings.MCP_SERVER = f"{__name__}.misspelt"
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    assert ids(check_server(None)) == []


def test_a_permission_of_people_who_are_no_users(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.guarded"
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    assert ids(check_server(None)) == []
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.NamedTokens"
    [message] = check_server(None)
    assert "Set MCP_PERSON_TO_USER to the dotted path of a function" in message.msg
    settings.MCP_PERSON_TO_USER = f"{__name__}.guarded"
    assert ids(check_server(None)) == []


def scoped(engine: Any) -> MCPServer[Any]:
    """A server with tools that require scopes."""
    server: MCPServer[Any] = MCPServer("scoped", **engine.options())
    server.add_tool(lambda: "", name="see", meta=requires(scopes=["orders:read"]))
    server.add_tool(lambda: "", name="change", meta=requires(scopes=["orders:read", "orders:write"]))
    server.add_tool(lambda: "", name="refund", meta=requires(scopes=["orders:write"]))
    return server


def test_a_scope_that_no_token_can_have_is_named_once_with_a_tool_and_the_line_to_add(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.scoped"
    settings.MCP_TOKEN_VERIFIER = f"{__name__}.OwnTokens"
    [message] = check_server(None)
    assert message.id == "mcp_app.E014"
    assert "'change'" in message.msg
    assert "'orders:write'" in message.msg
    assert 'OAUTH_SCOPES = {"orders:write": "…"}' in (message.hint or "")


def test_a_scope_that_another_one_includes_can_be_had(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.scoped"
    settings.MCP_TOKEN_VERIFIER = f"{__name__}.OwnTokens"
    settings.MCP_IMPLIED_SCOPES = {"orders:read": "orders:write"}
    assert check_server(None) == []


def test_the_scopes_of_another_authorization_server_are_not_known(settings: Any) -> None:
    settings.MCP_SERVER = f"{__name__}.scoped"
    settings.MCP_TOKEN_VERIFIER = "tests.support.tokens.UserTokens"
    settings.MCP_REQUIRED_SCOPES = ["foo"]
    assert check_server(None) == check_required_scopes(None) == []


def test_a_required_scope_that_no_token_can_have(settings: Any) -> None:
    settings.MCP_TOKEN_VERIFIER = f"{__name__}.OwnTokens"
    settings.MCP_REQUIRED_SCOPES = ["mcp", "foo"]
    [message] = check_required_scopes(None)
    assert message.id == "mcp_app.E014"
    assert "'foo'" in message.msg
    assert "mcp, orders:read" in (message.hint or "")


async def test_the_server_is_checked_within_an_event_loop_as_well() -> None:
    """Some servers import asgi.py, which runs the checks, when their loop runs already."""
    assert check_server(None) == []
