"""Background work that outages of a store interrupt, and do not end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.database import OwnThread, outage_in
from mcp_app.exceptions import Unavailable

PAUSE_SECONDS = 2.0
"""How long to wait before work that an outage has interrupted is restarted."""

LONG_SECONDS = 60.0
"""Work that has run for longer is no longer in the outage, or the series of crashes, that interrupted it."""


async def run_through_outages(
    work: Callable[[], Awaitable[None]], on_outage: Callable[[Unavailable], None] = lambda outage: None
) -> None:
    """Run work until it returns, and again after an outage of a store. It raises what else the work does.

    Args:
        work: The work. Each time it begins with new connections to the database.
        on_outage: Called at the first of several interruptions.
    """
    is_in_outage = False
    while True:
        began = monotonic()
        try:
            async with OwnThread():
                await work()
            return
        except Exception as error:
            if (outage := outage_in(error)) is None:
                raise
            raise_if_cancelled()  # it failed while it cleaned up, or swallowed its cancellation
            if not is_in_outage or monotonic() - began > LONG_SECONDS:
                on_outage(outage)
            is_in_outage = True
        await asyncio.sleep(PAUSE_SECONDS)
