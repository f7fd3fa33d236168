"""What Everything Server demonstrates, free of Django, Redis and sessions: it could run over stdio."""

from .everything import build_server, task_tools
from .session_features import SessionState

__all__ = ["SessionState", "build_server", "task_tools"]
