"""Turns: what the requests of one person do one after the other, or a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_app.coordination.limits import TooManyWaiting


async def acquire(lock: asyncio.Lock | asyncio.Semaphore, seconds: float | None) -> None:
    """Acquire a lock that the requests of one person share.

    Raises:
        TooManyWaiting: Others of this person have had it, or waited for it, all that time.
    """
    try:
        async with asyncio.timeout(seconds):
            await lock.acquire()
    except TimeoutError as error:
        raise TooManyWaiting from error


@asynccontextmanager
async def turn(lock: asyncio.Lock | asyncio.Semaphore, seconds: float) -> AsyncIterator[None]:
    """Hold such a lock while the context is open; raises what `acquire` does."""
    await acquire(lock, seconds)
    try:
        yield
    finally:
        lock.release()
