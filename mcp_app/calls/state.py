"""The state of a call of a session."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The state of a call. One that ends while quiet has its response in memory and is never logged."""

    QUIET = auto()
    """No message was sent: the response may be plain JSON."""
    LOGGED = auto()
    """All messages go into the event log."""
    HANDLED = auto()
    """The handler is done, and the registration is being completed. It can no longer be cancelled."""
    ENDED = auto()
    """The response is in memory, or is being appended to the log."""
