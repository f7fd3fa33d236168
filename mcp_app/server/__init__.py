"""What Everything Server demonstrates, free of Django, Redis and sessions: it could run over stdio."""

from mcp_app.server.everything import build_server, task_tools
from mcp_app.server.session_features import SessionState

__all__ = ["SessionState", "build_server", "task_tools"]
