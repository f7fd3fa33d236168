"""The promises of the design, kept by real server processes: each invariant has its test here."""

COUNTS = "/processes/counts"
"""The path at which a process of these tests tells how many queries it has made."""


def lease_of(process: int) -> str:
    """The name of the lease that the background work of a process holds."""
    return f"tests of processes {process}"
