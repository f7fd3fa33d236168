"""Which tests are quick, and in which order and by how many workers the tests are run."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

SLOW = ("processes", "node", "browser", "slow")
"""The markers of tests that take seconds."""

_ALL_SLOW = re.compile(rf"^pytestmark = (\[\s*)?pytest\.mark\.({'|'.join(SLOW)})\b", re.MULTILINE)

DATABASE = frozenset({"db", "transactional_db"})
"""The fixtures of pytest-django that give access to the database."""

FEW = 4
"""How many cases of a test may be revisions; the others are mostly values."""


def is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in SLOW)


def uses_database(item: pytest.Item) -> bool:
    marked = item.get_closest_marker("django_db")
    return bool(marked or DATABASE.intersection(getattr(item, "fixturenames", ())))


def quick_cases(cases: list[pytest.Item]) -> list[pytest.Item]:
    """The cases of a parametrized test that are quick.

    They mostly fail together, so the first one finds nearly all that the rest does. With an event loop the
    last of a few is quick, too: those are often revisions, and the newest one is served differently. Many are
    mostly values. A test whose cases each have a way of their own through the code is marked `quick` itself,
    and all of them are.
    """
    if uses_database(cases[0]):
        return cases[:1]
    if cases[0].get_closest_marker("asyncio"):
        return cases[:: len(cases) - 1] if 1 < len(cases) <= FEW else cases[:1]
    return cases  # they take milliseconds


def mark_quick(items: Iterable[pytest.Item]) -> None:
    """Mark what takes no seconds as `quick`: every test, but not every case of it."""
    tests: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not is_slow(item):
            tests[item.nodeid.partition("[")[0]].append(item)
    for cases in tests.values():
        for item in quick_cases(cases):
            item.add_marker(pytest.mark.quick)


def is_slow_module(path: Path) -> bool:
    """Whether the marks of a module begin with one of `SLOW`, so that no test of it is quick."""
    return path.name.startswith("test_") and bool(_ALL_SLOW.search(path.read_text()))


def skip_installs(items: Iterable[pytest.Item]) -> None:
    """Skip what downloads packages into an environment of its own, which takes minutes."""
    for item in items:
        if item.get_closest_marker("installs"):
            item.add_marker(pytest.mark.skip("It downloads packages: set TEST_INSTALLS=1."))


def slow_first(items: list[pytest.Item]) -> None:
    """Let the slow tests begin, so that the quick ones fill up what is left of each worker's time.

    Folders and modules with many slow tests go first, since one worker runs a whole module. The modules of a
    folder run together, as they share server processes, which end when a worker leaves the folder.
    """
    slow = [item for item in items if is_slow(item)]
    of_folder = Counter(_folder(item) for item in slow)
    of_module = Counter(_module(item) for item in slow)

    def order(item: pytest.Item) -> tuple[int, str, int]:
        if not is_slow(item):
            return 0, "", 0
        return of_folder[_folder(item)], _folder(item), of_module[_module(item)]

    items.sort(key=order, reverse=True)


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _folder(item: pytest.Item) -> str:
    return _module(item).rpartition("/")[0]


def names_files_only(arguments: Iterable[str]) -> bool:
    """Whether the command line of pytest names files and tests only, and no folder."""
    return all(Path(argument.partition("::")[0]).suffix == ".py" for argument in arguments)
