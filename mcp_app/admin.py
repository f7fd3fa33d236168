"""The admin pages of this app."""

from mcp_app import sessions_admin  # noqa: F401 - registers the live sessions
