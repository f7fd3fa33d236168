"""The Redis keys of tasks. The braces are hash tags: a task's keys share one slot of a cluster."""

from __future__ import annotations

from mcp_app.coordination.keys import prefixed


def record(task_id: str) -> str:
    """Hash: the task. The hash tag keeps it and its lease in one slot of a cluster."""
    return prefixed(f"mcp:task:{{{task_id}}}")


def lease(task_id: str) -> str:
    """String: the run in progress; expires if its process stops renewing it."""
    return prefixed(f"mcp:task:{{{task_id}}}:lease")


def processes(task_id: str) -> str:
    """Sorted set: the processes that run or watch the task; the score is until when."""
    return prefixed(f"mcp:task:{{{task_id}}}:at")


def index(person: str) -> str:
    """Sorted set: the tasks of a person with all clients by when they expire, for counting."""
    return prefixed(f"mcp:tasks:{{{person}}}")


def grant(grant: str) -> str:
    """Sorted set: the tasks of a consent by when they expire, for cancelling them with it."""
    return prefixed(f"mcp:granted:{{{grant}}}")


def withdrawn(grant: str) -> str:
    """String: marks a withdrawn consent, for a task that is being created concurrently."""
    return prefixed(f"mcp:withdrawn:{{{grant}}}")
