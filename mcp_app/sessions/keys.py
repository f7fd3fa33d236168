"""The names of everything in Redis. The braces make one session live in one slot of a cluster."""

from __future__ import annotations

import json

from mcp_app.protocol.personal import Person

LISTENING = "mcp:listening"
"""Sorted set: the sessions that have had a GET stream of late; the score is when each is struck off."""


LISTENERS = "mcp:listeners"
"""Sorted set: the processes that serve `subscriptions/listen`; the score is until when."""


def sessions_of(owner: str) -> str:
    """Sorted set: the sessions of a person, whatever their clients, by when each began.

    Args:
        owner: Client, issuer and subject, as a session record has them.
    """
    _, issuer, subject = json.loads(owner)
    return sessions_of_person(Person(issuer or "", subject or "").key)


def sessions_of_person(person: str) -> str:
    """The same, by the key of the person."""
    return f"mcp:sessions:{{{person}}}"


def record(session_id: str) -> str:
    """Hash: the session record. It lives to the session's absolute age, in use or not."""
    return f"session:{{{session_id}}}"


def copies(session_id: str) -> str:
    """Sorted set: the processes that have a copy of the record; the score is until when."""
    return f"mcp:copies:{{{session_id}}}"


def processes(session_id: str) -> str:
    """Sorted set: the processes that have a stream or a call of the session; the score is until when."""
    return f"mcp:at:{{{session_id}}}"


def owner(session_id: str) -> str:
    """String: who owns the session. It is there as long as the session is not idle."""
    return f"session:{{{session_id}}}:owner"


def events(session_id: str) -> str:
    """Stream: every message that went onto an event stream of the session, in order."""
    return f"mcp:events:{{{session_id}}}"


def tails(session_id: str) -> str:
    """Hash: the last event of each event stream, `ended` or `cancelled` once it is over; the `bytes`."""
    return f"mcp:tails:{{{session_id}}}"


def appended(session_id: str) -> str:
    """Sorted set: what was appended to the logs of late, so that a second try does not append it again."""
    return f"mcp:appended:{{{session_id}}}"


def pending(session_id: str) -> str:
    """Stream: the messages that belong to no call, until an open GET stream takes them."""
    return f"mcp:pending:{{{session_id}}}"


def calls(session_id: str) -> str:
    """Hash: the running calls whose answer is an event stream, by the name of that stream."""
    return f"mcp:calls:{{{session_id}}}"


def lease(session_id: str, stream: str) -> str:
    """String: the process that runs one of these calls; gone when that process has not renewed it."""
    return f"mcp:lease:{{{session_id}}}:{stream}"


def asked(session_id: str) -> str:
    """Hash: the requests to the client that wait for an answer, by their id."""
    return f"mcp:asked:{{{session_id}}}"


def answer(session_id: str, request_id: str) -> str:
    """String: the client's answer to one request, until the process that asked takes it."""
    return f"mcp:answer:{{{session_id}}}:{request_id}"


def listener(session_id: str) -> str:
    """String: which of the session's GET streams gets the messages that belong to no call."""
    return f"mcp:listener:{{{session_id}}}"


def data(session_id: str) -> str:
    """Hash: the values that tools keep for the session, by name, and their size."""
    return f"mcp:data:{{{session_id}}}"


def of_session(session_id: str) -> list[str]:
    """Every key of fixed name that a session has; answers and leases expire by themselves."""
    kinds = (record, owner, events, tails, appended, pending, calls, asked, listener, data, copies, processes)
    return [key(session_id) for key in kinds]


def renewed_by_use(session_id: str) -> list[str]:
    """What a session holds while it is in use; the others are renewed by what they are about."""
    others = [key(session_id) for key in (record, listener, appended, copies, processes)]
    return [key for key in of_session(session_id) if key not in others]
