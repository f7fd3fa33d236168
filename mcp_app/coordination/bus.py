"""The bus: how processes reach each other over the channel layer.

One channel per process, in the group of all processes and in the group of every session for which the
process has an open stream. The layer may drop a message; what must not be lost is in Redis, and a
message here only says that it is time to look.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from mcp_app.conf import conf
from mcp_app.coordination.cancellation import raise_if_cancelled
from mcp_app.coordination.connection import reaching_redis
from mcp_app.exceptions import Unavailable

logger = logging.getLogger(__name__)

EVERYONE = "everyone"
CONFIRMED = "bus.confirmed"
ECHO = "bus.echo"
RETRY_SECONDS = 1.0

_CONFIRM_SECONDS = 0.5
"""How long a change waits for the other processes to have heard of it."""

Message = dict[str, Any]
Handler = Callable[[Message], None]


class Bus:
    """The bus of this process. `start` opens it; handlers are registered before."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._joined: Counter[str] = Counter()
        self._changing = asyncio.Lock()
        """Held by whoever changes what is heard, so that nothing is joined or left while it is opened."""
        self._receiver: asyncio.Task[None] | None = None
        self._unconfirmed: dict[str, tuple[set[str], asyncio.Event]] = {}
        self._left_behind: set[str] = set()
        """Sessions whose group this process could not leave."""
        self._unheard_since: float | None = None
        """When it first sent itself a message that has not arrived yet."""
        self._heard = asyncio.Event()
        """Set whenever a message arrives."""
        self.address = ""
        self.on(CONFIRMED, self._on_confirmed)

    def on(self, message_type: str, handler: Handler) -> None:
        """Call `handler` with every message of this type. It must not block."""
        self._handlers[message_type].append(handler)

    async def start(self) -> None:
        """Open the bus; afterwards `address` is where other processes reach this one.

        Raises:
            Unavailable: The channel layer cannot be reached.
        """
        async with self._changing:
            await self._open()

    async def _open(self) -> None:
        if self._receiver is not None:
            return
        self.address = await _in_time(self._layer.new_channel("process."))
        await _in_time(self._layer.group_add(EVERYONE, self.address))
        for session_id in list(self._joined):  # whoever joins meanwhile waits, and is added then
            await _in_time(self._layer.group_add(_group(session_id), self.address))
        self._unheard_since = None
        self._receiver = asyncio.create_task(self._receive(), name="bus")

    async def stop(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.cancel()
            await asyncio.wait({receiver})

    async def check(self) -> None:
        """See to it that this process hears; called every few seconds.

        A connection may fall silent without an end, and nobody would notice. So the bus writes to
        itself, and opens anew, at another address, when that has not arrived for as long as a lease.

        Raises:
            Unavailable: The channel layer cannot be reached.
        """
        now = time.monotonic()
        async with self._changing:
            if self._unheard_since is not None and now - self._unheard_since > conf.lease_seconds:
                logger.error("nothing arrives from the channel layer; its connections are opened anew")
                await self._close()
            await self._open()
            await _in_time(self._layer.send(self.address, {"type": ECHO, "from": self.address}))
            self._unheard_since = self._unheard_since or now
            for session_id in list(self._left_behind):
                if session_id not in self._joined:
                    # The layer has forgotten the group already, but not its subscription.
                    await _in_time(self._layer.group_add(_group(session_id), self.address))
                    await _in_time(self._layer.group_discard(_group(session_id), self.address))
                self._left_behind.discard(session_id)

    async def reopen(self) -> None:
        """Open the bus on new connections, at another address.

        Raises:
            Unavailable: The channel layer cannot be reached; the next `check` tries again.
        """
        async with self._changing:
            await self._close()
            await self._open()

    async def _close(self) -> None:
        await self.stop()
        await _in_time(self._layer.flush())

    async def probe(self) -> None:
        """Send a message to this process through the channel layer, and wait until something has arrived.

        Raises:
            Unavailable: The channel layer cannot be reached, forbids to publish, or brought nothing in time.
        """
        self._heard.clear()
        await _in_time(self._layer.send(self.address, {"type": ECHO, "from": self.address}))
        await _in_time(self._heard.wait())

    async def send(self, address: str, message: Message) -> None:
        """Send to one process. A message for this very process is handled at once."""
        if address == self.address:
            self._handle(message)
        else:
            await self._attempt(self._layer.send(address, message))

    async def broadcast(self, message: Message) -> None:
        """Send to every process; this one handles the message before the call returns."""
        self._handle(message)
        await self._attempt(self._layer.group_send(EVERYONE, message | {"from": self.address}))

    async def broadcast_and_confirm(self, message: Message, others: Collection[str]) -> None:
        """Send to every process, and wait until these have handled it, but not for long.

        One that has died meanwhile, or does not hear, is not waited for longer than `_CONFIRM_SECONDS`.
        """
        token = secrets.token_hex(8)
        missing = set(others) - {self.address}
        confirmed = asyncio.Event()
        self._unconfirmed[token] = (missing, confirmed)
        try:
            await self.broadcast(message | {"confirm": token})
            if missing:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await confirmed.wait()
        except TimeoutError:
            logger.warning("a message was not confirmed in time", extra={"processes": len(missing)})
        finally:
            del self._unconfirmed[token]

    async def send_to_session(self, session_id: str, message: Message) -> None:
        """Send to every process that has an open stream of the session, this one first."""
        self._handle(message)
        await self._attempt(self._layer.group_send(_group(session_id), message | {"from": self.address}))

    async def join(self, session_id: str) -> None:
        """Hear what is sent to the session. As many `leave`s are needed as there were `join`s.

        Raises:
            Unavailable: The channel layer cannot be reached.
        """
        self._joined[session_id] += 1
        try:
            with reaching_redis():
                async with asyncio.timeout(conf.redis_timeout_seconds), self._changing:
                    if self._receiver is None:
                        raise ConnectionError("the bus could not be opened anew yet")
                    # Not only for the first: that one may be waiting still, and fail.
                    await self._layer.group_add(_group(session_id), self.address)
        except BaseException:
            if self._release(session_id):
                self._left_behind.add(session_id)  # it may have been added all the same
            raise

    async def leave(self, session_id: str) -> None:
        if self._release(session_id) and not await self._attempt(self._discard(session_id)):
            self._left_behind.add(session_id)

    async def _discard(self, session_id: str) -> None:
        async with self._changing:
            if session_id not in self._joined:
                await self._layer.group_discard(_group(session_id), self.address)

    def _release(self, session_id: str) -> bool:
        """Take one `join` back; whether it was the last."""
        self._joined[session_id] -= 1
        if self._joined[session_id] > 0:
            return False
        del self._joined[session_id]
        return True

    async def _receive(self) -> None:
        while True:
            raise_if_cancelled()  # a confirmation was being sent
            try:
                with reaching_redis():
                    message = await self._layer.receive(self.address)
            except Unavailable:
                logger.warning("the channel layer cannot be reached; trying again")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception:
                logger.exception("a message could not be read")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._unheard_since = None
            self._heard.set()
            if message.get("from") == self.address:
                continue
            self._handle(message)
            if "confirm" in message:
                confirmation = {"type": CONFIRMED, "token": message["confirm"], "by": self.address}
                await self._attempt(self._layer.send(message["from"], confirmation))

    def _on_confirmed(self, message: Message) -> None:
        missing, confirmed = self._unconfirmed.get(message["token"], (set(), None))
        missing.discard(message["by"])
        if confirmed is not None and not missing:
            confirmed.set()

    def _handle(self, message: Message) -> None:
        for handler in self._handlers[message["type"]]:
            try:
                handler(message)
            except Exception:
                logger.exception("a message of type %s could not be handled", message["type"])

    @staticmethod
    async def _attempt(sending: Any) -> bool:
        """A wake-up that cannot be sent is no error: whoever waits looks into Redis before long."""
        try:
            await _in_time(sending)
            return True
        except Unavailable as error:
            logger.warning("a message between processes was lost", extra={"reason": str(error)})
            return False


async def _in_time(request: Awaitable[Any]) -> Any:
    """What the layer answers. Each request has the bound, not all together: there may be thousands."""
    with reaching_redis():
        async with asyncio.timeout(conf.redis_timeout_seconds):
            return await request


def _group(session_id: str) -> str:
    return f"session.{session_id}"
