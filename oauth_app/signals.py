"""The signal by which other apps learn that access was withdrawn, and how it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction
from django.dispatch import Signal

access_withdrawn = Signal()
"""Access tokens became invalid before they expired, or consents were withdrawn.

Receivers get `checksums`, the SHA-256 of the tokens in hexadecimal, and `grants`, the ids of the consents.
All tokens of a withdrawn consent may have expired. A refresh withdraws neither, and an access token can be
revoked while its consent stays.

Sent once the transaction that withdrew them has been committed.
"""


@dataclass
class _Withdrawal:
    checksums: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)


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
    send_access_withdrawn(withdrawal.checksums, withdrawal.grants)


def send_access_withdrawn(checksums: Iterable[str] = (), grants: Iterable[str] = ()) -> None:
    """Send the signal after the current transaction, or at the end of the block that collects.

    Args:
        checksums: SHA-256 of access tokens, in hexadecimal.
        grants: The families of the consents that were withdrawn.
    """
    checksums, grants = list(checksums), list(grants)
    withdrawal = _collecting.get()
    if withdrawal is not None:
        withdrawal.checksums += checksums
        withdrawal.grants += grants
    elif checksums or grants:
        send = partial(access_withdrawn.send_robust, sender=None, checksums=checksums, grants=grants)
        transaction.on_commit(send, robust=True)
