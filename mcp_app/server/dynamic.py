"""Resources that are listed for the requester alone: a user's notes, a session's files."""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server import ServerRequestContext
from mcp.types import Resource

RequestContext = ServerRequestContext[Any, Any]

# What the current request may see, besides what everybody sees.
Source = Callable[[RequestContext], Awaitable[list[Resource]]]
