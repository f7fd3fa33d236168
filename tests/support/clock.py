"""Simulated time: an idle event loop skips to its next timer immediately."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

IDLE_SECONDS = 0.001
"""How long the loop waits, in real time, for results of threads before time advances."""


class _Selector(selectors.DefaultSelector):
    """Waits only for pending I/O, and adds up the seconds that it should have waited."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(min(timeout, IDLE_SECONDS))
        if not ready:
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return super().time() + self._clock.skipped


def run_without_waiting(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in a new loop, in which a sleep of any length takes a millisecond."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
