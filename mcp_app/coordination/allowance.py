"""The share of a person's request rate, `MCP_REQUEST_RATE`, that one process has leased."""

from __future__ import annotations

import math
import time

from mcp_app.conf import conf

SPARE_REQUESTS = 200
"""How many requests a process leases in advance, at most, unless a hundredth of the rate is more."""

CHARGED_BYTES = 64 * 1024
"""This many bytes, received or sent, count as one more request."""

_AGAIN_SECONDS = 0.25
"""How long to wait before asking Redis for requests again, after it had none to give."""


class Allowance:
    """Requests out of the person's rate, leased from Redis in advance or owed to it."""

    def __init__(self) -> None:
        self.requests = 0
        """How many may still be spent; below zero, how many are owed and not yet reported to Redis."""
        self.valid_until = -math.inf
        """When the lease of these requests ends."""
        self.exhausted_until = -math.inf
        """Until when Redis has no more requests."""
        self._reported = 0
        """How many owed requests are being reported to Redis."""
        self._bytes = 0
        """Bytes that are not counted as a request yet."""
        self._owes_until = -math.inf
        """Until when the bucket in Redis is below zero."""

    @property
    def is_valid(self) -> bool:
        return time.monotonic() < self.valid_until

    @property
    def left(self) -> int:
        """What may still be spent or is owed. Requests that were leased lapse with the lease."""
        return self.requests if self.is_valid else min(0, self.requests)

    @property
    def owes(self) -> bool:
        """Whether more was charged than the rate allows."""
        return self.requests < 0 or time.monotonic() < self._owes_until

    def seconds_until(self, number: int) -> float:
        """How long it takes until this many requests may be sent, or as many as the rate allows at once."""
        now, period = time.monotonic(), conf.request_rate_seconds
        rate = max(1, conf.request_rate)
        empty_at = max(self._owes_until, now - period)  # when the bucket has, or had, none
        return max(0.0, empty_at - now + (max(0, -self.left) + min(number, rate)) * period / rate)

    def spend(self, number: int) -> bool:
        if self.requests < number or time.monotonic() >= self.valid_until:
            return False
        self.requests -= number
        return True

    def charge(self, size: int) -> None:
        """Count bytes after the fact, even if there are no requests left for them."""
        self._bytes += size
        if self._bytes >= CHARGED_BYTES:
            requests, self._bytes = divmod(self._bytes, CHARGED_BYTES)
            if conf.request_rate:
                self.owe(requests)

    def owe(self, number: int) -> None:
        """Count requests after the fact, even if there are none left for them."""
        self.requests = self.left - number

    def arguments(self, needed: int, *, is_active: bool) -> list[int | float]:
        """The arguments of the script for the rate: how many are needed now, to spare, and owed."""
        self._reported = max(0, -self.left)
        most = max(SPARE_REQUESTS, conf.request_rate // 100)
        spare = max(0, most - max(0, self.left)) if is_active else 0
        return [conf.request_rate, conf.request_rate_seconds, needed, spare, self._reported]

    def assume_told(self) -> None:
        """Forget the report to Redis if it has not replied: it may have received the report all the same.

        Otherwise a person would owe it once more with each attempt.
        """
        self.requests += self._reported
        self._reported = 0

    def apply(self, given: int, wait: float, needed: int) -> None:
        """Take in the reply of the script, before `valid_until` is set."""
        now = time.monotonic()
        self.requests = self.left + self._reported + given
        self._reported = 0
        rate = max(1, conf.request_rate)
        self._owes_until = now + wait - min(needed, rate) * conf.request_rate_seconds / rate
        if needed == 1 and not given:  # there may be some if a batch got none
            self.exhausted_until = now + max(wait, _AGAIN_SECONDS)
