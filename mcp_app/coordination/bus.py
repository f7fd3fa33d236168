"""The bus: how processes reach each other over the channel layer.

Each process keeps one address for its lifetime. The layer may drop messages; whatever must not be lost is in
Redis, and a message here is only a hint to look there. The directory knows which addresses to send to.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp_app.activity import Activity
from mcp_app.conf import conf
from mcp_app.coordination.cancellation import cancel_and_wait, raise_if_cancelled
from mcp_app.coordination.connection import reaching_redis
from mcp_app.exceptions import Unavailable, Unreadable, reading

logger = logging.getLogger(__name__)

CONFIRMED = "bus.confirmed"
ECHO = "bus.echo"

_RECEIVE_RETRY_SECONDS = 1.0
"""The pause after the layer could not be read."""

_CONFIRM_SECONDS = 0.5
"""How long a change waits for acknowledgements from the processes that it concerns."""

BusMessage = dict[str, Any]
Handler = Callable[[BusMessage], None]


def name_in(address: str) -> str:
    """The name of a process, from its address."""
    return address.rpartition(".")[0].rpartition(".")[2]


class Bus:
    """The bus of this process. `start` opens it; handlers are registered before.

    Args:
        layer: The channel layer.
        on_echo: Called with the number of seconds an echo took; one is sent with each heartbeat.

    Attributes:
        address: Where other processes reach this one, once it is open. It ends with the name of the process
            and random characters.
        activity: Where this process notes what happens between it and others.
    """

    def __init__(self, layer: Any, on_echo: Callable[[float], None] = lambda seconds: None) -> None:
        self._layer = layer
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._receiver: asyncio.Task[None] | None = None
        self._unconfirmed: dict[str, tuple[set[str], asyncio.Event]] = {}
        self._silent: dict[str, float] = {}
        """Processes that did not acknowledge something and may have died, and until when nobody waits for
        them."""
        self._echo_sent_at: float | None = None
        """When the first outstanding echo was sent."""
        self._received = asyncio.Event()
        """Set whenever a message arrives."""
        self.address = ""
        self.activity = Activity()
        self.on(CONFIRMED, self._on_confirmed)
        self.on(ECHO, lambda message: on_echo(time.perf_counter() - message["at"]))

    def on(self, message_type: str, handler: Handler) -> None:
        """Call `handler` with every message of this type. It must not block."""
        self._handlers[message_type].append(handler)

    async def start(self) -> None:
        """Open the bus.

        Raises:
            Unavailable: The channel layer cannot be reached.
        """
        if not self.address:
            self.address = await _in_time(self._layer.new_channel(f"process.{conf.process_name}."))
        if self._receiver is None:
            self._receiver = asyncio.create_task(self._receive(), name="bus")

    async def stop(self) -> None:
        """Stop receiving messages."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            await cancel_and_wait(receiver)

    async def check(self) -> None:
        """Reconnect if messages stop arriving; called with every heartbeat.

        A connection may go silent without being closed. So the bus sends itself an echo, and reconnects if
        none has arrived for the duration of a lease.

        Raises:
            Unavailable: The channel layer cannot be reached.
        """
        now = time.monotonic()
        if self._echo_sent_at is not None and now - self._echo_sent_at > conf.lease_seconds:
            logger.error("channel layer silent; reconnecting")
            await self.reopen()
        await self._echo()
        self._echo_sent_at = self._echo_sent_at or now

    async def reopen(self) -> None:
        """Reconnect, keeping the same address.

        Raises:
            Unavailable: The channel layer cannot be reached; the next `check` tries again.
        """
        await self.stop()
        await _in_time(self._layer.flush())
        self._echo_sent_at = None
        await self.start()  # receiving at an address subscribes to it

    async def probe(self) -> None:
        """Send a message to this process through the channel layer, and wait until something has arrived.

        Raises:
            Unavailable: The channel layer cannot be reached, rejects the message, or is too slow.
        """
        self._received.clear()
        await self._echo()
        await _in_time(self._received.wait())

    async def _echo(self) -> None:
        await _in_time(self._layer.send(self.address, {"type": ECHO, "at": time.perf_counter()}))

    async def send(self, address: str, message: BusMessage) -> None:
        """Send to one process. A message to this process itself is handled immediately."""
        if address == self.address:
            self._handle(message)
        else:
            await self._attempt(address, message)

    async def publish(self, addresses: Iterable[str], message: BusMessage, *, confirm: bool = False) -> None:
        """Handle a message in this process first, then send it to these processes; see `send_all`."""
        self._handle(message)
        await self.send_all(addresses, message, confirm=confirm)

    async def send_all(self, addresses: Iterable[str], message: BusMessage, *, confirm: bool = False) -> None:
        """Send to these processes, except this one, which has already handled the message.

        With `confirm` it waits until they have handled it, but not for long: a process may have died. For as
        long as that stays listed, nobody waits for it again, unless it acknowledges something.
        The bus must be open, since the confirmations arrive at its address.
        """
        others = set(addresses) - {self.address}
        missing = others - self._presumed_dead()
        if not confirm or not others:
            await self._send_to(others, message)
            return
        token, confirmed = secrets.token_hex(8), asyncio.Event()
        self._unconfirmed[token] = (missing, confirmed)
        try:
            await self._send_to(others, message | {"from": self.address, "confirm": token})
            if missing:
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await confirmed.wait()
        except TimeoutError:
            logger.warning("no acknowledgement in time", extra={"processes": len(missing)})
            self._silent |= dict.fromkeys(missing, time.monotonic() + conf.lease_seconds)
        finally:
            del self._unconfirmed[token]

    def _presumed_dead(self) -> set[str]:
        now = time.monotonic()
        self._silent = {address: until for address, until in self._silent.items() if until > now}
        return set(self._silent)

    async def _send_to(self, addresses: Iterable[str], message: BusMessage) -> None:
        await asyncio.gather(*(self._attempt(address, message) for address in addresses))

    async def _receive(self) -> None:
        while True:
            raise_if_cancelled()  # it may have arrived while sending a confirmation
            try:
                with reaching_redis, reading():
                    message = await self._layer.receive(self.address)
                    self._handle(message)
                    confirm, sender = message.get("confirm"), str(message.get("from"))
            except Unreadable as error:
                logger.warning("message of another process cannot be read", extra={"reason": str(error)})
                continue
            except Unavailable:
                logger.warning("channel layer unavailable; retrying")
                await asyncio.sleep(_RECEIVE_RETRY_SECONDS)
                continue
            self._echo_sent_at = None
            self._received.set()
            if confirm is not None:
                confirmation = {"type": CONFIRMED, "id": confirm, "by": self.address}
                await self._attempt(sender, confirmation)

    def _on_confirmed(self, message: BusMessage) -> None:
        self._silent.pop(message["by"], None)
        missing, confirmed = self._unconfirmed.get(message["id"], (set(), None))
        missing.discard(message["by"])
        if confirmed is not None and not missing:
            confirmed.set()

    def _handle(self, message: BusMessage) -> None:
        for handler in self._handlers.get(message["type"], ()):  # none for one of a later release
            try:
                handler(message)
            except Exception:
                logger.exception("handler for %s messages crashed", message["type"])

    async def _attempt(self, address: str, message: BusMessage) -> None:
        """Failing to send is logged, not raised: receivers poll Redis anyway."""
        try:
            await _in_time(self._layer.send(address, message))
        except Unavailable as error:
            logger.warning("message to other processes lost", extra={"reason": str(error)})


async def _in_time(request: Awaitable[Any]) -> Any:
    """Await a request to the layer. The time-out applies to each request: there may be thousands."""
    with reaching_redis:
        async with asyncio.timeout(conf.redis_timeout_seconds):
            return await request
