"""Waiting for a condition, with a time-out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(probe: Callable[[], Any], *, within: float = 10.0) -> Any:
    """The first true value of `probe`, a function or a coroutine function, which is asked again and again.

    Raises:
        AssertionError: It has not become true in time.
    """
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"{probe} has not become true within {within} s"
        await asyncio.sleep(0.005)
