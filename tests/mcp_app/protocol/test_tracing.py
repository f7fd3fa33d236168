"""Tracing: spans for those who have configured where they go."""

import pytest
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import MCPServer
from opentelemetry import trace

from tests.support.engine import make_engine

from .conftest import build


def _traced(server: MCPServer) -> bool:
    kinds = {type(middleware) for middleware in Server("traced").middleware}
    return any(type(middleware) in kinds for middleware in server.session_manager.app.middleware)


def test_nothing_is_traced_without_a_tracer_provider() -> None:
    assert not _traced(make_engine().build(build))


def test_every_message_is_traced_when_there_is_a_tracer_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    assert _traced(make_engine().build(build))
