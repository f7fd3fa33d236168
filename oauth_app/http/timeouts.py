"""Time limits for blocking functions that have none, or one for each read only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


class Busy(Exception):
    """All threads are taken by calls that have not returned, or no further one can be started."""


class TimeoutRunner:
    """Runs functions, each in a thread of its own, and gives up waiting after a time-out.

    An abandoned function keeps its thread until it returns. With a limited number of threads, a server that
    never finishes its response can block only requests of the same kind.

    Args:
        threads: How many functions may run at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._free_threads = threading.BoundedSemaphore(threads)

    @property
    def is_full(self) -> bool:
        """Whether the next call would be refused."""
        if self._free_threads.acquire(blocking=False):
            self._free_threads.release()
            return False
        return True

    def run(self, function: Callable[..., Result], *args: Any, timeout: float) -> Result:
        """What the function returns or raises.

        Raises:
            TimeoutError: It has not returned within `timeout` seconds.
            Busy: No thread is free.
        """
        if not self._free_threads.acquire(blocking=False):
            raise Busy
        result: list[Result] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                result.append(function(*args))
            except BaseException as error:
                errors.append(error)
            finally:
                self._free_threads.release()

        # A daemon, so that the process can exit while somebody's server is still sending.
        thread = threading.Thread(target=call, name="timeout", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process may have no more threads
            self._free_threads.release()
            raise Busy from None
        thread.join(timeout)
        if errors:
            raise errors[0]
        if not result:
            raise TimeoutError
        return result[0]
