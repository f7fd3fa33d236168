"""Redis keys shared by processes. The braces are hash tags, which decide the slot in a cluster."""

from __future__ import annotations

PROCESSES = "mcp:processes"
"""Sorted set: the addresses of the processes that serve; the score is when each is removed."""

READINESS = (
    "session:{readiness}:owner",
    "mcp:tails:{readiness}",
    "mcp:events:{readiness}",
    "mcp:appended:{readiness}",
)
"""The keys that `/readyz` tests commands on (string, hash, stream, sorted set), named like those of a
session. They cannot clash: session ids are hexadecimal."""


def open_streams(process: str) -> str:
    """Hash: how many streams a process has open, by session; for operators."""
    return f"mcp:streams:{{{process}}}"


def held(name: str) -> str:
    """String: the holder of a named lease (`Leases.try_hold`)."""
    return f"mcp:held:{{{name}}}"


def fence(name: str) -> str:
    """String: the token of the last holder of a named lease."""
    return f"mcp:fence:{{{name}}}"


def quota(person: str) -> str:
    """Hash: what a person holds, by kind and process, and the requests that are left of their rate."""
    return f"mcp:quota:{{{person}}}"
