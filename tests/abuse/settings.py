"""The project's settings, without limits to the sessions and the rate of the person who sends all inputs."""

from everything_site.settings import *  # noqa: F403

MCP_MAX_SESSIONS = 1_000_000
MCP_REQUEST_RATE = 0  # each 64 KiB of an input count as a request
