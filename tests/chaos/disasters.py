"""What happens to the processes and their Redis during a chaos run."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import redis

from tests.chaos.ledger import Ledger
from tests.support import processes, proxy

STOP_SECONDS = 20.0
"""How long a process stands still: until its leases have expired and others have noticed it."""


class Disasters:
    """Kills and suspends processes, never all at once, and cuts connections to Redis.

    Args:
        servers: The processes.
        balancer: What clients connect to.
        redis_url: The Redis of the processes.
        rng: Chooses victims and times.
        ledger: Counts what happens.
    """

    def __init__(
        self,
        servers: list[processes.ServerProcess],
        balancer: proxy.RoundRobinProxy,
        redis_url: str,
        rng: random.Random,
        ledger: Ledger,
    ) -> None:
        self._unharmed = list(servers)
        self._balancer = balancer
        self._redis_url = redis_url
        self._rng = rng
        self._ledger = ledger

    async def kill(self, every: float) -> None:
        """End a process by SIGKILL and start it again, every few seconds."""
        while True:
            await self._pause(every)
            with self._victim() as victim:
                if victim is None:
                    continue
                await asyncio.to_thread(victim.kill)
                self._ledger.kills += 1
                await asyncio.sleep(self._rng.uniform(0.1, 1.0))
                await asyncio.to_thread(victim.start)

    async def stop(self, every: float) -> None:
        """Suspend a process for longer than a lease, and let it go on.

        The balancer notices every second time: it then drops the connections of the process and sends it no
        more. Otherwise, requests to it hang.
        """
        while True:
            await self._pause(every)
            with self._victim() as victim:
                if victim is None:
                    continue
                victim.suspend()
                self._ledger.stops += 1
                try:
                    with contextlib.ExitStack() as stack:
                        if self._ledger.stops % 2:
                            stack.enter_context(self._balancer.without(victim.port))
                        await asyncio.sleep(STOP_SECONDS)
                finally:
                    victim.resume()

    async def cut(self, every: float) -> None:
        """Close every connection to Redis, as a failing network does."""
        with redis.Redis.from_url(self._redis_url) as connection:
            while True:
                await self._pause(every)
                for kind in ("normal", "pubsub"):
                    await asyncio.to_thread(connection.client_kill_filter, _type=kind, skipme=True)
                self._ledger.cuts += 1

    async def _pause(self, every: float) -> None:
        await asyncio.sleep(self._rng.uniform(0.5, 1.5) * every)

    @contextlib.contextmanager
    def _victim(self) -> Iterator[processes.ServerProcess | None]:
        """A process that nothing happens to; None if only one is left."""
        if len(self._unharmed) < 2:
            yield None
            return
        victim = self._rng.choice(self._unharmed)
        self._unharmed.remove(victim)
        try:
            yield victim
        finally:
            self._unharmed.append(victim)
