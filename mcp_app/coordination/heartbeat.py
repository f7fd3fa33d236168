"""The heartbeat keeps everything alive that a process has in Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mcp_app.conf import conf
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)

Part = Callable[[], Awaitable[None]]

_RETRY_SECONDS = 0.5
"""The delay before a part is run again after it failed."""


class Heartbeat:
    """Runs each of its parts three times per lease. A failing or hanging part affects no other."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._failing: set[str] = set()
        """The parts that failed the last time: only the start and the end of an outage are logged."""

    def add(self, name: str, part: Part) -> None:
        """Add a part, with a name for the log. It may raise, and is cancelled if it takes too long."""
        self._parts[name] = part

    async def run(self) -> None:
        """Beat until cancelled, with the parts that were added before."""
        await asyncio.gather(*(self._repeat(name, part) for name, part in self._parts.items()))

    async def beat(self) -> None:
        """Run every part once."""
        await asyncio.gather(*(self._do(name, part) for name, part in self._parts.items()))

    async def _repeat(self, name: str, part: Part) -> None:
        while True:
            raise_if_cancelled()
            period = conf.lease_seconds / 3
            await asyncio.sleep(min(period, _RETRY_SECONDS) if name in self._failing else period)
            await self._do(name, part)

    async def _do(self, name: str, part: Part) -> None:
        try:
            async with asyncio.timeout(max(conf.lease_seconds / 3, conf.redis_timeout_seconds)):
                await part()
        except (Unavailable, TimeoutError) as error:
            if name not in self._failing:
                logger.warning("heartbeat failed", extra={"part": name, "reason": str(error) or repr(error)})
            self._failing.add(name)
        except (Exception, asyncio.CancelledError):
            raise_if_cancelled()
            logger.exception("heartbeat part crashed", extra={"part": name})
        else:
            if name in self._failing:
                logger.info("heartbeat recovered", extra={"part": name})
            self._failing.discard(name)
