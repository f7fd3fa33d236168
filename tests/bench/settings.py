"""The project's settings, with limits that the one person who plays all clients does not reach.

Everything is counted as usual, so the benchmark measures the counting as well.
"""

from everything_site.settings import *  # noqa: F403

MCP_MAX_SESSIONS = 1_000_000
MCP_MAX_CALLS = 1_000_000
MCP_MAX_STREAMS = 1_000_000
MCP_REQUEST_RATE = 1_000_000_000
