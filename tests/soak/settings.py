"""The project's settings with a lifetime short enough to see the end of."""

from everything_site.settings import *  # noqa: F403
from tests.soak import IDLE_SECONDS, MAX_SECONDS

MCP_SESSION_IDLE_SECONDS = IDLE_SECONDS
MCP_SESSION_MAX_SECONDS = MAX_SECONDS
MCP_MAX_SESSIONS = 1_000_000  # of one person, like the streams
MCP_MAX_STREAMS = 1_000_000
MCP_REQUEST_RATE = 1_000_000_000
MCP_CACHE_SECONDS = 2.0
