"""The soak run: what many sessions and streams leave behind, which must be nothing."""

COUNTS = "/soak/counts"
"""The path at which a soaked process counts its tasks."""

IDLE_SECONDS = 20
"""How long what an abandoned session holds lives here."""

MAX_SECONDS = 90
"""How long a session lives here."""
