"""Which tests are quick, and in which order and by how many workers the tests are run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

SLOW = ("processes", "node", "browser", "slow")
"""The markers of tests that take seconds."""

DATABASE = frozenset({"db", "transactional_db"})
"""The fixtures of pytest-django that give access to the database."""


def is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in SLOW)


def takes_milliseconds(item: pytest.Item) -> bool:
    """Whether a test uses neither the database nor an event loop."""
    return not (
        item.get_closest_marker("asyncio")
        or item.get_closest_marker("django_db")
        or DATABASE.intersection(getattr(item, "fixturenames", ()))
    )


def mark_quick(items: Iterable[pytest.Item]) -> None:
    """Mark what takes no seconds as `quick`: all cases of tests that take milliseconds, two of the others.

    The cases of a parametrized test mostly fail together, so the first and the last one, such as the oldest
    and the newest revision, find nearly all that the rest does. A case that has a way of its own through the
    code is marked where it is written: `pytest.param(…, marks=pytest.mark.quick)`.
    """
    tests: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not is_slow(item):
            tests[item.nodeid.partition("[")[0]].append(item)
    for cases in tests.values():
        for item in cases if takes_milliseconds(cases[0]) else {cases[0], cases[-1]}:
            item.add_marker(pytest.mark.quick)


def skip_installs(items: Iterable[pytest.Item]) -> None:
    """Skip what downloads packages into an environment of its own, which takes minutes."""
    for item in items:
        if item.get_closest_marker("installs"):
            item.add_marker(pytest.mark.skip("It downloads packages: set TEST_INSTALLS=1."))


def slow_first(items: list[pytest.Item]) -> None:
    """Let the slow tests begin, so that the quick ones fill up what is left of each worker's time.

    Modules with many slow tests go first, since one worker runs a whole module.
    """
    slow = Counter(_module(item) for item in items if is_slow(item))
    items.sort(key=lambda item: slow[_module(item)] if is_slow(item) else 0, reverse=True)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def names_files_only(arguments: Iterable[str]) -> bool:
    """Whether the command line of pytest names files and tests only, and no folder."""
    return all(Path(argument.partition("::")[0]).suffix == ".py" for argument in arguments)
