"""The context of a request, as the SDK's handlers and middleware get it."""

from typing import Any

from mcp.server import ServerRequestContext

RequestContext = ServerRequestContext[Any, Any]
