"""Trace context in `_meta` (SEP-414): spans for a traced client belong to its trace."""

import pytest
from opentelemetry import trace

from tests.support.engine import make_engine
from tests.support.in_memory import connect

from .conftest import build

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


@pytest.mark.parametrize("meta", [{"traceparent": f"00-{TRACE}-{SPAN}-01"}, {"traceparent": "nonsense"}, {}])
async def test_the_span_of_a_call_has_the_clients_span_as_its_parent(monkeypatch, era, meta):
    # A tracer without a provider of its own makes spans that are nothing but their parents.
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    server = make_engine().build(build)
    parents = []

    async def look(ctx, call_next):
        if ctx.method == "tools/call":
            parents.append(trace.get_current_span().get_span_context())
        return await call_next(ctx)

    server.middleware.append(look)
    async with connect(server, era) as client:
        await client.call_tool("echo", {"message": "traced"}, meta=meta)
    (parent,) = parents
    is_traced = meta.get("traceparent", "").startswith("00-")
    assert parent.is_valid is is_traced
    if is_traced:
        assert (trace.format_trace_id(parent.trace_id), trace.format_span_id(parent.span_id)) == (TRACE, SPAN)
