"""The signals by which other apps learn that access was withdrawn, and what an audit records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from django.db import DatabaseError, transaction
from django.dispatch import Signal

from oauth_app.conf import conf

access_withdrawn = Signal()
"""Access tokens became invalid before they expired, or consents were withdrawn.

Receivers get `checksums`, the SHA-256 of the tokens in hexadecimal, and `grants`, the ids of the consents.
All tokens of a withdrawn consent may have expired. A refresh withdraws neither, and an access token can be
revoked while its consent stays. `ended` are pairs of a client's id and a user's primary key, of which nothing
is left: the client has no other access to that user's account. `usernames` are the names of these users by
primary key, also of those who have been deleted. `issuer` is whose tokens these are.

Sent once the transaction that withdrew them has been committed.
"""

audited = Signal()
"""Something happened that an audit records.

Receivers get `event`, what happened, in a few words that do not change, and `facts`, a dictionary: for a
client its id as `client`, for a user the primary key as `user` and the `username`. It has no token, code or
secret.
"""


def audit(event: str, *, user: Any = None, **facts: Any) -> None:
    """Send `audited`, once the current transaction, if there is one, has been committed.

    Args:
        event: What happened.
        user: The user concerned, if any.
        facts: What else there is to say.
    """
    if user is not None and user.is_authenticated:
        facts = {"username": user.get_username(), "user": str(user.pk), **facts}
    send = partial(audited.send_robust, sender=None, event=event, facts=facts)
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(send, robust=True)
    else:  # `on_commit` would connect to the database, which a refusal needs no more than its reason
        send()


Access = tuple[str, Any]
"""A client's id, and the primary key of a user to whose account it has access."""


FindEnded = Callable[[], Iterable[Access]]


@dataclass
class _Withdrawal:
    checksums: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    find_ended: list[FindEnded] = field(default_factory=list)
    usernames: dict[Any, str] = field(default_factory=dict)


_collecting: ContextVar[_Withdrawal | None] = ContextVar("oauth_app.withdrawal", default=None)


@contextmanager
def one_access_withdrawn() -> Iterator[None]:
    """Send a single signal for everything that is withdrawn in the block; none if the block raises."""
    withdrawal = _Withdrawal()
    outer = _collecting.set(withdrawal)
    try:
        yield
    finally:
        _collecting.reset(outer)
    send_access_withdrawn(
        withdrawal.checksums, withdrawal.grants, withdrawal.find_ended, withdrawal.usernames
    )


def send_access_withdrawn(
    checksums: Iterable[str] = (),
    grants: Iterable[str] = (),
    find_ended: Iterable[FindEnded] = (),
    usernames: Mapping[Any, str] = MappingProxyType({}),
) -> None:
    """Send the signal after the current transaction, or at the end of the block that collects.

    Args:
        checksums: SHA-256 of access tokens, in hexadecimal.
        grants: The families of the consents that were withdrawn.
        find_ended: Functions that find the access of which nothing is left. Called after the transaction: of
            two that withdraw the last two consents, each sees the other's until it has been committed.
        usernames: The names of the users whose access may have ended, by primary key.
    """
    checksums, grants, find_ended = list(checksums), list(grants), list(find_ended)
    withdrawal = _collecting.get()
    if withdrawal is not None:
        withdrawal.checksums += checksums
        withdrawal.grants += grants
        withdrawal.find_ended += find_ended
        withdrawal.usernames |= usernames
    elif checksums or grants or find_ended:
        transaction.on_commit(partial(_send, checksums, grants, find_ended, usernames), robust=True)


def _send(
    checksums: list[str], grants: list[str], find_ended: list[FindEnded], usernames: Mapping[Any, str]
) -> None:
    ended: list[Access] = []
    with suppress(DatabaseError):  # the rest is more urgent: no token opens the sessions that remain
        ended += [access for find in find_ended for access in find()]
    if checksums or grants or ended:
        access_withdrawn.send_robust(
            sender=None,
            checksums=checksums,
            grants=grants,
            ended=ended,
            usernames=usernames,
            issuer=conf.issuer,
        )
