"""The project's settings, with less patience for a client whose answer was lost with a process,
short leases, since a process that is killed again after seconds would never judge others, and limits that the
one person who plays all clients does not reach: each of the killed processes leaves units behind that count
for the time of a lease."""

from everything_site.settings import *  # noqa: F403

MCP_CLIENT_REQUEST_SECONDS = 15.0
MCP_LEASE_SECONDS = 3.0
MCP_MAX_SESSIONS = 1_000_000
MCP_MAX_CALLS = 10_000
MCP_MAX_STREAMS = 10_000
MCP_REQUEST_RATE = 1_000_000_000
