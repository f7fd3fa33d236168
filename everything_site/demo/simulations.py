"""What a session hears without asking: simulated updates, log messages and stderr lines.

Pure functions of time. Whoever owns the clock calls `due` with the seconds since the session's
stream opened, so exactly one process can tick for a session and a test needs no sleep.
"""

import random
from collections.abc import Collection, Iterator
from typing import Any

# The three intervals are those of the TypeScript reference server, in seconds. They are multiples
# of one another on purpose: a watcher sees all three within half a minute.
UPDATE_INTERVAL = 10
LOG_INTERVAL = 20
STDERR_INTERVAL = 30

# The eight severities of RFC 5424, from the least to the most severe. The messages say that they are
# simulated: an emergency would alarm whoever reads it in a log.
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LOGGER = "simulation"

# A session's switches, kept among its subscriptions: they are then known in every process, and end with
# the session. Each turns off what is on by default; the lines of stderr go off with the log messages.
UPDATES_OFF = "simulation:updates-off"
LOGGING_OFF = "simulation:logging-off"
SWITCHES = frozenset({UPDATES_OFF, LOGGING_OFF})

Notification = tuple[str, dict[str, Any]]


def due(
    previous: float, now: float, subscriptions: Collection[str], rng: random.Random
) -> list[Notification]:
    """The notifications (method, params) that fall due in (previous, now], the earliest first.

    Log messages of every level are among them: the session drops those below its level.
    """
    found: list[tuple[int, Notification]] = []
    for moment in _ticks(previous, now, UPDATE_INTERVAL) if UPDATES_OFF not in subscriptions else ():
        found += [
            (moment, ("notifications/resources/updated", {"uri": uri}))
            for uri in sorted(set(subscriptions) - SWITCHES)
        ]
    for moment in _ticks(previous, now, LOG_INTERVAL) if LOGGING_OFF not in subscriptions else ():
        level = rng.choice(LEVELS)
        text = f"{level.capitalize()}-level message (simulated)"
        found.append((moment, ("notifications/message", {"level": level, "logger": LOGGER, "data": text})))
    for moment in _ticks(previous, now, STDERR_INTERVAL) if LOGGING_OFF not in subscriptions else ():
        line = f"{_clock(moment)}: A stderr message (simulated)"
        found.append((moment, ("notifications/stderr", {"content": line})))
    return [notification for _, notification in sorted(found, key=lambda entry: entry[0])]


def _ticks(previous: float, now: float, interval: int) -> Iterator[int]:
    first = int(previous // interval) + 1
    last = int(now // interval)
    return iter(range(first * interval, last * interval + 1, interval))


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"
