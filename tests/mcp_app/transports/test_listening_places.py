"""Of the places of a process for `subscriptions/listen` everybody gets some, however many others hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from mcp_app.transports.errors import HttpError
from mcp_app.transports.listening_places import MAX_LISTENING, MIN_PLACES, PARTS, ListeningPlaces
from tests.support.waiting import eventually


class Listening:
    """Requests that are served until they are ended."""

    def __init__(self) -> None:
        self.places = ListeningPlaces()
        self.tasks: list[asyncio.Task[None]] = []

    def hold(self, person: str) -> None:
        self.places.ensure(person)
        self.tasks.append(asyncio.create_task(asyncio.Event().wait()))  # type: ignore[arg-type]
        self.places.take(person, self.tasks[-1])

    def hold_endlessly(self, person: str) -> None:
        while True:
            self.hold(person)

    def hold_as_many_as_possible(self, person: str) -> int:
        before = len(self.tasks)
        with pytest.raises(HttpError) as refusal:
            self.hold_endlessly(person)
        assert refusal.value.status == 503
        return len(self.tasks) - before


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    made = Listening()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_a_few_people_cannot_take_all_places(listening: Listening) -> None:
    held = [listening.hold_as_many_as_possible(f"mallory {n}") for n in range(6)]
    assert all(later < earlier for earlier, later in pairwise(held))
    assert held[0] <= MAX_LISTENING // PARTS
    assert listening.hold_as_many_as_possible("alice") >= MIN_PLACES


async def test_the_last_places_are_taken_by_few_at_a_time_and_no_more_than_there_are(
    listening: Listening,
) -> None:
    held = [listening.hold_as_many_as_possible(str(n)) for n in range(MAX_LISTENING)]
    assert sum(held) == MAX_LISTENING
    *most, _ = [number for number in held if number]
    assert min(most) >= MIN_PLACES, "and whoever comes last gets the rest"


async def test_a_request_that_ends_leaves_its_place(listening: Listening) -> None:
    held = listening.hold_as_many_as_possible("alice")
    task = listening.tasks.pop()
    task.cancel()
    await eventually(task.done)
    assert listening.hold_as_many_as_possible("alice") == 1
    assert held > 1
