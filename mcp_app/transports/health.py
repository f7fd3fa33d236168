"""Probes for load balancers: `/healthz` for liveness, `/readyz` for readiness.

They need no token, and ignore the Host header, as probes use addresses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from mcp_app.transports.request import Receive, Scope, Send
from mcp_app.transports.responses import respond_json

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 2.0


class Healthz:
    """Responds with 200 as long as the event loop runs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_json(send, 200, {"status": "alive"})


class Readyz:
    """Responds with 200 if everything the process needs works and it is not shutting down, else with 503.

    Dependencies are tested the way requests use them: a server that responds but is read-only does not count.

    Args:
        needs: Checks by name, which raise if a dependency does not work. The first failure is reported.
        is_draining: Whether the process is shutting down.
        on_tried: Called with the name of each check that has run, and whether it passed.
    """

    def __init__(
        self,
        needs: Mapping[str, Callable[[], Awaitable[None]]],
        is_draining: Callable[[], bool] = lambda: False,
        on_tried: Callable[[str, bool], None] = lambda name, works: None,
    ) -> None:
        self._needs = needs
        self._is_draining = is_draining
        self._on_tried = on_tried
        self._trying: asyncio.Task[str | None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = "shutting down" if self._is_draining() else await self.first_fault()
        if fault is None:
            await respond_json(send, 200, {"status": "ready"})
        else:
            await respond_json(send, 503, {"status": "not ready", "reason": fault})

    async def first_fault(self) -> str | None:
        """The name of the first check that fails. Concurrent probes share one run: anybody may send them."""
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._try_all(), name="readiness")
        return await asyncio.shield(self._trying)

    async def _try_all(self) -> str | None:
        """Run all checks concurrently."""
        faults = await asyncio.gather(*(self._fault(*need) for need in self._needs.items()))
        return next((fault for fault in faults if fault is not None), None)

    async def _fault(self, name: str, attempt: Callable[[], Awaitable[None]]) -> str | None:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await attempt()
        except Exception as error:
            logger.warning("not ready", extra={"need": name, "reason": str(error) or repr(error)})
            self._on_tried(name, False)
            return name
        self._on_tried(name, True)
        return None
