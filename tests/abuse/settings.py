"""The project's settings, without a limit to the sessions of the one person who sends all inputs."""

from everything_site.settings import *  # noqa: F403

MCP_MAX_SESSIONS = 1_000_000
