"""Several event streams of a session on one open connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from mcp_app.sessions.events import Event
from mcp_app.sessions.streams import EventStream


class MergedStream:
    """Complete when each of its streams is; each keeps the ids by which it alone can be resumed."""

    def __init__(self, streams: Sequence[EventStream]) -> None:
        self._streams = streams

    @property
    def is_complete(self) -> bool:
        return all(stream.is_complete for stream in self._streams)

    @property
    def retry_milliseconds(self) -> int:
        return max(stream.retry_milliseconds for stream in self._streams)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold what each stream needs. Enter it before the first bytes are sent."""
        async with AsyncExitStack() as stack:
            for stream in self._streams:
                await stack.enter_async_context(stream.opened())
            yield

    async def items(self) -> AsyncGenerator[Event | None, None]:
        """The items of all streams as they come. Use it in `contextlib.aclosing`, within `opened`."""
        sources = [stream.items() for stream in self._streams]
        coming = {asyncio.ensure_future(anext(source)): source for source in sources}
        try:
            while coming:
                arrived, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
                for item in arrived:
                    source = coming.pop(item)
                    try:
                        yield item.result()
                    except StopAsyncIteration:
                        continue
                    coming[asyncio.ensure_future(anext(source))] = source
        finally:
            for item in coming:
                item.cancel()
            await asyncio.gather(*coming, return_exceptions=True)
            for source in sources:
                await source.aclose()
