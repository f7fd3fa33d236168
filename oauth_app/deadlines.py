"""An end to every wait, also for code that only bounds the silence between two bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Busy(Exception):
    """All places are taken by calls that have not ended."""


class Deadline:
    """Runs functions, each in a thread of its own, and waits for them for a while only.

    A function that is not waited for any more goes on until whatever it reads ends. It keeps its place so
    long; so a hostile server can slow down its own kind, and nobody else.
    """

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    @property
    def is_full(self) -> bool:
        """Whether the next call would find no place."""
        if self._places.acquire(blocking=False):
            self._places.release()
            return False
        return True

    def run(self, function: Callable[..., Result], *args: Any, seconds: float) -> Result:
        """What the function returns or raises.

        Raises:
            TimeoutError: It has not ended in time.
            Busy: Too many others have not ended either.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        result: list[Result] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                result.append(function(*args))
            except BaseException as error:
                errors.append(error)
            finally:
                self._places.release()

        # A daemon: the end of the process waits for nobody's server.
        thread = threading.Thread(target=call, name="deadline", daemon=True)
        thread.start()
        thread.join(seconds)
        if errors:
            raise errors[0]
        if not result:
            raise TimeoutError
        return result[0]
