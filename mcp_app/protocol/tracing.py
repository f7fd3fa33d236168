"""Tracing: the SDK creates an OpenTelemetry span for every message.

Without a tracer provider the spans are dropped, but still cost a tenth of a small call. Then the SDK's
tracing middleware is removed. `opentelemetry-instrument`, or the settings, configure a provider before the
server is built, so that it is kept.
"""

from typing import Any

from mcp.server import Server
from opentelemetry import trace


def drop_unless_configured(app: Server[Any]) -> None:
    """Remove the SDK's tracing middleware if no tracer provider is configured."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        tracing = {type(middleware) for middleware in Server("tracing").middleware}
        app.middleware[:] = [middleware for middleware in app.middleware if type(middleware) not in tracing]
