"""Simulated notifications to sessions: resource updates, log messages and stderr lines.

What is due is a pure function of time, so that tests need no sleep. `simulate` runs in the one process that
has the session's stream.
"""

import asyncio
import random
import time
from collections.abc import Collection, Iterator
from typing import Any

from mcp_app.server import ListeningSession

# The intervals of the TypeScript reference server, in seconds. All three fall due within half a minute.
UPDATE_INTERVAL = 10
LOG_INTERVAL = 20
STDERR_INTERVAL = 30

UPDATES_AT_ONCE = 10
"""How many resources are updated at a time, at most: a client that subscribes to a thousand and leaves them
must not keep the server busy."""

# The eight severities of RFC 5424, least severe first. The messages say that they are simulated, so that
# nobody is alarmed by an emergency.
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LOGGER = "simulation"

UPDATES_OFF = "simulations/updates-off"
LOGGING_OFF = "simulations/logging-off"
"""Session data: each, if set, disables a simulation that is enabled by default. `LOGGING_OFF` also disables
the stderr lines."""

Notification = tuple[str, dict[str, Any]]


def due(
    previous: float,
    now: float,
    subscriptions: Collection[str],
    rng: random.Random,
    *,
    off: Collection[str] = (),
) -> list[Notification]:
    """The notifications (method, params) that are due in (previous, now], earliest first.

    Includes log messages of every level: the session drops those below its level.

    Args:
        previous: The end of the previous interval, in seconds.
        now: The current time, in seconds from the same start.
        subscriptions: The subscribed URIs.
        rng: Chooses levels.
        off: `UPDATES_OFF`, `LOGGING_OFF`, or both.
    """
    found: list[tuple[int, Notification]] = []
    for moment in _ticks(previous, now, UPDATE_INTERVAL) if UPDATES_OFF not in off else ():
        found += [
            (moment, ("notifications/resources/updated", {"uri": uri}))
            for uri in _in_turn(sorted(subscriptions), moment // UPDATE_INTERVAL - 1)
        ]
    for moment in _ticks(previous, now, LOG_INTERVAL) if LOGGING_OFF not in off else ():
        level = rng.choice(LEVELS)
        text = f"{level.capitalize()}-level message (simulated)"
        found.append((moment, ("notifications/message", {"level": level, "logger": LOGGER, "data": text})))
    for moment in _ticks(previous, now, STDERR_INTERVAL) if LOGGING_OFF not in off else ():
        line = f"{_clock(moment)}: A stderr message (simulated)"
        found.append((moment, ("notifications/stderr", {"content": line})))
    return [notification for _, notification in sorted(found, key=lambda entry: entry[0])]


async def simulate(session: ListeningSession) -> None:
    """Send a session its simulated notifications; cancelled when its stream closes or moves."""
    rng = random.Random()  # noqa: S311 - picks a demonstration message
    began = time.monotonic()
    previous = 0.0
    while True:
        next_tick = (previous // UPDATE_INTERVAL + 1) * UPDATE_INTERVAL  # all intervals are multiples of this
        await asyncio.sleep(max(0.0, began + next_tick - time.monotonic()))
        now = time.monotonic() - began
        off = await session.data.names("simulations/")
        for method, params in due(previous, now, session.subscriptions, rng, off=off):
            await session.notify(method, params)
        previous = now


def _ticks(previous: float, now: float, interval: int) -> Iterator[int]:
    first = int(previous // interval) + 1
    last = int(now // interval)
    return iter(range(first * interval, last * interval + 1, interval))


def _in_turn(uris: list[str], turn: int) -> list[str]:
    """The resources that are updated at a turn: all of them, or some after the other."""
    if len(uris) <= UPDATES_AT_ONCE:
        return uris
    start = turn * UPDATES_AT_ONCE % len(uris)
    return (uris + uris)[start : start + UPDATES_AT_ONCE]


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"
