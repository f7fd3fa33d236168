"""Tracing: the SDK opens an OpenTelemetry span for every message, whether anybody looks or not.

With no tracer provider configured the spans go nowhere, and yet cost a tenth of a small call. Then they
are left out, as the SDK provides for (`Server.middleware`). `opentelemetry-instrument`, or a
provider that the settings configure, is there before the server is made, and gets them.
"""

from typing import Any

from mcp.server import Server
from opentelemetry import trace


def drop_unless_configured(app: Server[Any]) -> None:
    """Take the SDK's tracing out of a server's middleware if there is no tracer provider."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        tracing = {type(middleware) for middleware in Server("tracing").middleware}
        app.middleware[:] = [middleware for middleware in app.middleware if type(middleware) not in tracing]
