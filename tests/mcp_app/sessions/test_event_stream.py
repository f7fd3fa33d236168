"""What a stream sends and when it ends, even if reading fails."""

from __future__ import annotations

from contextlib import aclosing

from mcp_app.exceptions import Store, Unavailable
from mcp_app.sessions.event_log import EventsLost, Reader
from mcp_app.sessions.event_stream import ReplyStream
from mcp_app.sessions.events import Event
from mcp_app.sessions.record import SessionRecord
from tests.mcp_app.transports.support import within

ONE, OTHER = "r0000000000000001", "r0000000000000002"


class Readings(Reader):
    """Reads, or fails, as the test says; then there is nothing more."""

    def __init__(self, *readings: list[Event] | Exception) -> None:
        self._readings = list(readings)

    async def read(self) -> list[Event]:
        reading = self._readings.pop(0) if self._readings else []
        if isinstance(reading, Exception):
            raise reading
        return reading


async def _has_ended(record: SessionRecord, stream: str) -> bool:
    return False


async def _sent(stream: ReplyStream) -> list[Event]:
    """What it sends, to its end."""
    sent = []
    async with aclosing(stream.items()) as items:
        async for event in items:
            assert event is not None
            sent.append(event)
    return sent


def _answer(stream: str) -> Event:
    return Event(stream, "1-0", "{}", final=True)


async def test_a_stream_whose_call_has_ended_waits_for_its_answer_while_the_log_cannot_be_read(
    record: SessionRecord,
) -> None:
    class Woken(Readings):
        async def read(self) -> list[Event]:
            stream.wake()
            return await super().read()

    reader = Woken(Unavailable(Store.SESSIONS, "down"), [_answer(ONE)])
    stream = ReplyStream(record, [ONE], reader, _has_ended, resumed=True)
    assert await within(_sent(stream)) == [_answer(ONE)]
    assert stream.is_complete


async def test_a_stream_whose_call_has_ended_ends_once_all_of_its_log_was_read(record: SessionRecord) -> None:
    stream = ReplyStream(record, [ONE], Readings(), _has_ended, resumed=True)
    assert await within(_sent(stream)) == []
    assert not stream.is_complete


async def test_a_call_of_a_batch_is_answered_immediately_although_another_has_lost_events(
    record: SessionRecord,
) -> None:
    reader = Readings(EventsLost(ONE), [_answer(OTHER)])
    stream = ReplyStream(record, [ONE, OTHER], reader, _has_ended, resumed=True)
    assert await within(_sent(stream), 2.0) == [_answer(OTHER)]
    assert not stream.is_complete
