"""The exit statuses of `everything-server run`, for scripts. docs/testing-clients.md lists them."""

ENDED = 0
"""By SIGINT or SIGTERM, or at the end of the standard input with `--exit-on-eof`."""
FAILED = 1
"""Any other error; the last line on standard error says which."""
USAGE = 2
"""An argument is wrong."""
PORT_UNAVAILABLE = 3
"""The port is taken, or may not be used."""
NO_VALKEY = 4
"""The embedded Valkey did not start."""
NO_STATE = 5
"""The state folder or the database cannot be used."""
