"""When an input or a flood fails the run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.abuse import parsing
from tests.abuse.floods.neighbour import Seen
from tests.abuse.floods.run import FLOOR_MS, Row, best

PEACE = [2.0, 3.0, 4.0]
TOO_LONG = [time + 2 * FLOOR_MS for time in PEACE]


def row(**seen: Any) -> Row:
    """A judged row with bounds of 100 MiB and 10 MiB."""
    usual: dict[str, Any] = {"processes_mib": [90.0, 80.0], "redis_mib": 9.0, "during": Seen(PEACE)}
    made = Row("a flood", (100, 10), answers={}, before=Seen(PEACE), **{**usual, **seen})
    made.judge()
    return made


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        ({"processes_mib": [101.0, 1.0]}, "process grew"),
        ({"redis_mib": 11.0}, "Redis grew"),
        ({"during": Seen(PEACE, failures=["429"])}, "calls of the other failed"),
        ({"during": Seen(TOO_LONG)}, "waits"),
        ({"during": Seen([])}, "waits"),
    ],
)
def test_a_flood_fails_with_anything_that_passes_its_bound(seen: dict[str, Any], fault: str) -> None:
    (found,) = row(**seen).faults
    assert fault in found


def test_a_flood_within_its_bounds_passes_even_if_others_wait_a_little() -> None:
    assert row(during=Seen([time + FLOOR_MS / 2 for time in PEACE])).faults == []


def test_a_flood_that_only_makes_others_wait_is_judged_by_its_best_run() -> None:
    long, good = row(during=Seen(TOO_LONG)), row()
    assert best(iter([long, good])) is good
    assert best(iter([long, long])).faults == long.faults
    assert best(iter([row(redis_mib=11.0), good])).faults != []


@pytest.mark.parametrize(
    ("stops", "has_crashed", "is_fault"),
    [
        ([251.0], False, True),
        ([251.0, 10.0], False, False),
        ([251.0, 251.0, 9.0], False, True),
        ([1.0], True, True),
    ],
)
def test_an_input_fails_if_it_stops_the_loop_more_than_once_or_crashes(
    stops: list[float], has_crashed: bool, is_fault: bool
) -> None:
    row = parsing.Row("a server", "a group", "an input", 1, 200, stops, 1, has_crashed)
    assert bool(row.fault) is is_fault
