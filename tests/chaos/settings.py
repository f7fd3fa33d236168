"""The project's settings, with less patience for a client whose answer was lost with a process."""

from everything_site.settings import *  # noqa: F403

MCP_CLIENT_REQUEST_SECONDS = 15.0
