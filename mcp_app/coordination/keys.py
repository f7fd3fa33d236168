"""The names in Redis of what processes tell each other. The braces decide the slot in a cluster."""

from __future__ import annotations

PROCESSES = "mcp:processes"
"""Sorted set: the addresses of the processes that serve; the score is when each is removed."""

READINESS = (
    "session:{readiness}:owner",
    "mcp:tails:{readiness}",
    "mcp:events:{readiness}",
    "mcp:appended:{readiness}",
)
"""What `/readyz` tries its commands on: a string, a hash, a stream and a sorted set, named like those of a
session. No session's id: those are hexadecimal."""


def open_streams(process: str) -> str:
    """Hash: how many streams a process has open, by session; for operators."""
    return f"mcp:streams:{{{process}}}"


def held(name: str) -> str:
    """String: who holds a lease that was taken by name (`Leases.try_hold`)."""
    return f"mcp:held:{{{name}}}"
