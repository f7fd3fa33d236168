"""Probes for load balancers: `/healthz` says that the process lives, `/readyz` that it can serve.

They need no token and look at no Host header: probes come by address.
"""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError

from mcp_app.runtime import Runtime
from mcp_app.transports import http

_PROBE_SECONDS = 2.0


class Healthz:
    """Answers 200 as long as the event loop turns."""

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        await http.respond_json(send, 200, {"status": "alive"})


class Readyz:
    """Answers 200 when Redis answers and the process is not about to end, else 503."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if self._runtime.is_draining:
            await http.respond_json(send, 503, {"status": "not ready", "reason": "shutting down"})
            return
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._runtime.redis.ping()
        except (RedisError, OSError, TimeoutError):
            await http.respond_json(send, 503, {"status": "not ready", "reason": "redis"})
            return
        await http.respond_json(send, 200, {"status": "ready"})
