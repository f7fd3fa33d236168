"""The ASGI application of a project that has the MCP endpoints."""

from django.core.asgi import get_asgi_application

from mcp_app.routing import mcp_application

application = mcp_application(get_asgi_application())
