"""Redis keys shared by processes. The braces are hash tags, which decide the slot in a cluster."""

from __future__ import annotations

from mcp_app.conf import conf


def prefixed(name: str) -> str:
    """The key of this name: every key of the engine starts with `MCP_REDIS_PREFIX`."""
    return conf.redis_prefix + name


def processes() -> str:
    """Sorted set: the addresses of the processes that serve; the score is when each is removed."""
    return prefixed("mcp:processes")


def all_tasks() -> str:
    """Sorted set: all tasks by when they expire, for counting."""
    return prefixed("mcp:tasks")


def readiness() -> list[str]:
    """The keys that readiness probes test commands on: string, hash, stream, sorted set.

    They are named like those of a session, and cannot clash: session ids are hexadecimal.
    """
    names = (
        "session:{readiness}:owner",
        "mcp:tails:{readiness}",
        "mcp:events:{readiness}",
        "mcp:appended:{readiness}",
    )
    return [prefixed(name) for name in names]


def open_streams(process: str) -> str:
    """Hash: how many streams a process has open, by session; for operators."""
    return prefixed(f"mcp:streams:{{{process}}}")


def room_watched() -> str:
    """String: present while somebody watches the machine room."""
    return prefixed("mcp:room:watched")


def room() -> str:
    """Channel: what processes do, while somebody watches."""
    return prefixed("mcproom")


def named_lease(name: str) -> str:
    """String: the holder of a named lease (`Leases.try_hold`)."""
    return prefixed(f"mcp:held:{{{name}}}")


def named_lease_token(name: str) -> str:
    """String: the token of the last holder of a named lease."""
    return prefixed(f"mcp:fence:{{{name}}}")


def quota(person: str) -> str:
    """Hash: what a person holds, by kind and process, and how many requests their rate still allows."""
    return prefixed(f"mcp:quota:{{{person}}}")
