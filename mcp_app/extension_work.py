"""The background work of extensions (`Extension.run`): restarted when it fails, ended when the process is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from time import monotonic

from mcp_app.coordination import outages
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.exceptions import Unavailable
from mcp_app.server import Extension

logger = logging.getLogger(__name__)

_MAX_PAUSE_SECONDS = 60.0
"""The longest pause before work that keeps crashing is restarted."""

_CLEAN_UP_SECONDS = 2.0
"""How long the work may take to clean up after it was cancelled."""

_SECOND_CLEAN_UP_SECONDS = 0.2
"""The same after it was cancelled a second time."""

Work = Mapping[asyncio.Task[None], Extension]


def start_work(extensions: Iterable[Extension]) -> Work:
    """Start the background work of each extension, in a task."""
    return {
        asyncio.create_task(_run(extension), name=f"extension {extension.identifier}"): extension
        for extension in extensions
    }


async def _run(extension: Extension) -> None:
    """Run the work of an extension; restart it after an outage or a crash."""
    fields = {"extension": extension.identifier}

    def on_outage(outage: Unavailable) -> None:
        logger.warning("extension interrupted by an outage", extra=fields | {"reason": str(outage)})

    crashes = 0
    while True:
        began = monotonic()
        try:
            await outages.run_through_outages(extension.run, on_outage)
            return
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise_if_cancelled()  # otherwise it awaited something else that was cancelled
            logger.exception("extension crashed", extra=fields)
            crashes = 1 if monotonic() - began > outages.LONG_SECONDS else crashes + 1
        raise_if_cancelled()  # it failed while it cleaned up, or swallowed its cancellation
        await asyncio.sleep(min(outages.PAUSE_SECONDS * 2.0 ** min(crashes, 10), _MAX_PAUSE_SECONDS))


async def end_work(work: Work) -> None:
    """Cancel the background work of extensions, and let it clean up.

    Whether it cleans up or has swallowed its cancellation cannot be told from here. So it is cancelled again
    only when its time is up, and then has a moment more.
    """
    if not work:
        return
    for task in work:
        task.cancel()
    _, late = await asyncio.wait(work, timeout=_CLEAN_UP_SECONDS)
    for task in late:
        logger.error("extension did not stop in time", extra={"extension": work[task].identifier})
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=_SECOND_CLEAN_UP_SECONDS)
