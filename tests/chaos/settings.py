"""The project's settings, with less patience for a client whose answer was lost with a process,
and no limit to the sessions of the one person who plays all clients."""

from everything_site.settings import *  # noqa: F403

MCP_CLIENT_REQUEST_SECONDS = 15.0
MCP_MAX_SESSIONS = 1_000_000
