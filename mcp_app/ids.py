"""Ids of sessions and tasks, as people see them."""

_SHORT = 8
"""In characters: enough to tell the ids of one server apart, too few to use one."""


def short_id(whole: str) -> str:
    """The id of a session or task as it may be logged and shown: whoever has all of it may use it."""
    return whole[:_SHORT]
