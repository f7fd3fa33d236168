"""The Redis keys of sessions. The braces are hash tags: a session's keys share one slot of a cluster."""

from __future__ import annotations

import hashlib

from mcp_app.coordination.keys import prefixed
from mcp_app.exceptions import reading
from mcp_app.protocol.personal import person_key


def subscribers() -> str:
    """Sorted set: the sessions that recently had a GET stream; the score is when each is removed."""
    return prefixed("mcp:subscribers")


def listening_processes() -> str:
    """Sorted set: the processes that serve `subscriptions/listen`; the score is until when."""
    return prefixed("mcp:listeners")


def all_sessions() -> str:
    """Sorted set: all sessions by when they expire, for counting."""
    return prefixed("mcp:sessions")


def sessions_of(owner: str) -> str:
    """Sorted set: the sessions of a person with all clients, by creation time.

    Args:
        owner: Client, issuer and subject, as a session record has them.

    Raises:
        Unreadable: It is malformed.
    """
    with reading():
        return sessions_of_person(person_key(owner))


def sessions_of_person(person: str) -> str:
    """The same, by the key of the person."""
    return prefixed(f"mcp:sessions:{{{person}}}")


def seen(person: str) -> str:
    """Hash: when and how a person last used each client, as JSON, by the client's id."""
    return prefixed(f"mcp:seen:{{{person}}}")


def used(client: str) -> str:
    """Sorted set: the persons who have used a client, by when. The key has a checksum of the client's id."""
    return prefixed(f"mcp:used:{{{hashlib.sha256(client.encode()).hexdigest()}}}")


def person_data(person: str) -> str:
    """Hash: the values that tools store for a person, by name, and their total size."""
    return prefixed(f"mcp:person:{{{person}}}")


def record(session_id: str) -> str:
    """Hash: the session record. It lives until the session's maximum age, in use or not."""
    return prefixed(f"session:{{{session_id}}}")


def copies(session_id: str) -> str:
    """Sorted set: the processes that have a copy of the record; the score is until when."""
    return prefixed(f"mcp:copies:{{{session_id}}}")


def processes(session_id: str) -> str:
    """Sorted set: the processes that have a stream or a call of the session; the score is until when."""
    return prefixed(f"mcp:at:{{{session_id}}}")


def owner(session_id: str) -> str:
    """String: who owns the session. It exists as long as the session is not idle."""
    return prefixed(f"session:{{{session_id}}}:owner")


def events(session_id: str) -> str:
    """Stream: every message sent on an event stream of the session, in order."""
    return prefixed(f"mcp:events:{{{session_id}}}")


def tails(session_id: str) -> str:
    """Hash: the last event of each event stream, `ended` or `cancelled` once it is over; the `bytes`."""
    return prefixed(f"mcp:tails:{{{session_id}}}")


def appended(session_id: str) -> str:
    """Sorted set: the ids of recent appends, so that a retry does not append twice."""
    return prefixed(f"mcp:appended:{{{session_id}}}")


def pending(session_id: str) -> str:
    """Stream: messages that belong to no call and wait for an open GET stream."""
    return prefixed(f"mcp:pending:{{{session_id}}}")


def calls(session_id: str) -> str:
    """Hash: the running calls whose response is an event stream, by the name of that stream."""
    return prefixed(f"mcp:calls:{{{session_id}}}")


def lease(session_id: str, stream: str) -> str:
    """String: the process that runs one of these calls; expires if that process stops renewing it."""
    return prefixed(f"mcp:lease:{{{session_id}}}:{stream}")


def asked(session_id: str) -> str:
    """Hash: the requests to the client that wait for an answer, by their id."""
    return prefixed(f"mcp:asked:{{{session_id}}}")


def answer(session_id: str, request_id: str) -> str:
    """String: the client's answer to one request, until the process that asked takes it."""
    return prefixed(f"mcp:answer:{{{session_id}}}:{request_id}")


def claim(session_id: str) -> str:
    """String: which of the session's GET streams gets the messages that belong to no call."""
    return prefixed(f"mcp:claim:{{{session_id}}}")


def data(session_id: str) -> str:
    """Hash: the values that tools store for the session, by name, and their total size."""
    return prefixed(f"mcp:data:{{{session_id}}}")


def of_session(session_id: str) -> list[str]:
    """Every key of a session that has a fixed name; answers and leases expire by themselves."""
    kinds = (record, owner, events, tails, appended, pending, calls, asked, claim, data, copies, processes)
    return [key(session_id) for key in kinds]


def renewed_by_use(session_id: str) -> list[str]:
    """The keys that using a session renews, the owner first; the others have lifetimes of their own."""
    return [key(session_id) for key in (owner, events, tails, pending, calls, asked, data)]
