"""What is counted for each person, and the error for a limit that is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mcp_app.app_settings import Setting
from mcp_app.conf import Conf, conf
from mcp_app.exceptions import Refused, Store, Unavailable

MAX_WAIT_SECONDS = 3600
"""The maximum of `Retry-After`, after which a client may ask how much longer it takes."""


class QuotaExceeded(Refused):
    """A person has reached a limit. The message tells them which, and what to do.

    Args:
        message: The message, with places for `{limit}` and `{setting}`.
        setting: The setting with the limit.
        retry_after: Seconds until trying again makes sense. Rounded up, at least one and at most
            `MAX_WAIT_SECONDS` are reported.
    """

    def __init__(self, message: str, setting: Setting[int], retry_after: float = 1.0) -> None:
        self.setting = setting.name
        self.limit: int = getattr(conf, setting.attribute)
        Refused.__init__(self, message.format(limit=self.limit, setting=self.setting))
        self.retry_after = min(max(1, math.ceil(retry_after)), MAX_WAIT_SECONDS)
        self.data = {"limit": self.setting, "value": self.limit}


class TooManyWaiting(QuotaExceeded, Unavailable):
    """Too many requests of a person wait for Redis, and one has waited too long. Others do not wait for them.

    Whatever waits for the end of an outage waits for that of the flood, too.
    """

    def __init__(self) -> None:
        super().__init__(
            "Too many requests at once: yours wait for the connections to Redis, of which one user gets a "
            "quarter ({limit} in all, {setting}). Wait until some are answered.",
            Conf.redis_connections,
        )
        self.store = Store.SESSIONS

    def copy(self) -> TooManyWaiting:
        return TooManyWaiting()


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Something of which each person may have a limited number at once.

    Attributes:
        name: Its name in Redis.
        setting: The setting with the limit.
        refusal: The message of `QuotaExceeded`.
        spare: How many units a process may hold in advance.
    """

    name: str
    setting: Setting[int]
    refusal: str
    spare: int = 0

    @property
    def limit(self) -> int:
        return int(getattr(conf, self.setting.attribute))

    def exceeded(self) -> QuotaExceeded:
        return QuotaExceeded(self.refusal, self.setting)


CALLS = Kind(
    "calls",
    Conf.max_calls,
    "Too many calls: you may have {limit} running at once, over all clients ({setting}). "
    "Wait until one has ended, or cancel one.",
    spare=16,
)
STREAMS = Kind(
    "streams",
    Conf.max_streams,
    "Too many event streams: you may have {limit} open at once, over all clients ({setting}). "
    "Close one first.",
)
KINDS = (CALLS, STREAMS)


def too_many_requests(retry_after: float) -> QuotaExceeded:
    """The error for a person who has sent more requests than their rate allows."""
    seconds = conf.request_rate_seconds
    message = (
        f"Too many requests: you may send {{limit}} within {seconds:g} s, over all clients ({{setting}}); "
        "each 64 KiB received or sent, and each four messages of a call, count as one more. Send fewer, and "
        "wait as long as Retry-After says."
    )
    return QuotaExceeded(message, Conf.request_rate, retry_after)
