"""Sends `access_withdrawn`: once for everything that one withdrawal ends, after its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction

from oauth_app.signals import access_withdrawn


@dataclass
class _Withdrawal:
    checksums: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)


_collecting: ContextVar[_Withdrawal | None] = ContextVar("oauth_app.withdrawal", default=None)


@contextmanager
def announced_together() -> Iterator[None]:
    """What is announced within goes out as one signal; none of it if an exception leaves the block."""
    withdrawal = _Withdrawal()
    outer = _collecting.set(withdrawal)
    try:
        yield
    finally:
        _collecting.reset(outer)
    announce(withdrawal.checksums, withdrawal.grants)


def announce(checksums: Iterable[str] = (), grants: Iterable[str] = ()) -> None:
    """Send the signal when the current transaction has been committed, or with what is announced together.

    Args:
        checksums: SHA-256 of access tokens, in hexadecimal.
        grants: The families of consents that were withdrawn.
    """
    checksums, grants = list(checksums), list(grants)
    withdrawal = _collecting.get()
    if withdrawal is not None:
        withdrawal.checksums += checksums
        withdrawal.grants += grants
    elif checksums or grants:
        send = partial(access_withdrawn.send_robust, sender=None, checksums=checksums, grants=grants)
        transaction.on_commit(send, robust=True)
