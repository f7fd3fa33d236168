"""What a session hears without asking: simulated updates, log messages and stderr lines.

What falls due is a pure function of time, so that a test needs no sleep. `simulate` runs where the session's
stream is held, so that one process does.
"""

import asyncio
import random
import time
from collections.abc import Collection, Iterator
from typing import Any

from mcp_app.server import ListeningSession

# The three intervals are those of the TypeScript reference server, in seconds. They are multiples
# of one another on purpose: a watcher sees all three within half a minute.
UPDATE_INTERVAL = 10
LOG_INTERVAL = 20
STDERR_INTERVAL = 30

# The eight severities of RFC 5424, from the least to the most severe. The messages say that they are
# simulated: an emergency would alarm whoever reads it in a log.
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LOGGER = "simulation"

UPDATES_OFF = "simulations/updates-off"
LOGGING_OFF = "simulations/logging-off"
"""Values of a session: each, if it is there, turns off what is on by default. The lines of stderr go off with
the log messages."""

Notification = tuple[str, dict[str, Any]]


def due(
    previous: float,
    now: float,
    subscriptions: Collection[str],
    rng: random.Random,
    *,
    off: Collection[str] = (),
) -> list[Notification]:
    """The notifications (method, params) that fall due in (previous, now], the earliest first.

    Log messages of every level are among them: the session drops those below its level.

    Args:
        previous: Until when everything has been sent, in seconds.
        now: The time, in seconds from the same start.
        subscriptions: The URIs that are said to be updated.
        rng: Picks levels.
        off: `UPDATES_OFF`, `LOGGING_OFF`, or both.
    """
    found: list[tuple[int, Notification]] = []
    for moment in _ticks(previous, now, UPDATE_INTERVAL) if UPDATES_OFF not in off else ():
        found += [
            (moment, ("notifications/resources/updated", {"uri": uri})) for uri in sorted(subscriptions)
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
    """Send a session what falls due, for as long as its stream is held here."""
    rng = random.Random()  # noqa: S311 - picks a demonstration message
    began = time.monotonic()
    previous = 0.0
    while True:
        next_tick = (previous // UPDATE_INTERVAL + 1) * UPDATE_INTERVAL  # the intervals are multiples of this
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


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"
