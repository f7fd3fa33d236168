"""Each row of docs/features.md is tried in the workbench, or it is said why it cannot be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.docs.markdown import rows
from tests.support import chromium
from tests.support.processes import needs_proc
from tests.workbench.features import ELSEWHERE, TRIES, Try
from tests.workbench.page import Page

MISSING = chromium.missing()
FEATURES = [row["Feature"] for row in rows("features.md", "Feature", "Revisions") if "Proved by" in row]

browser = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.timeout(180),
    needs_proc,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]


def tries() -> list[Any]:
    """Each row with the visit that shows it; rows of one name take turns."""
    seen: dict[str, int] = {}
    found = []
    for feature in FEATURES:
        if feature in ELSEWHERE:
            continue
        visits = TRIES[feature]
        number = seen[feature] = seen.get(feature, -1) + 1
        visit = visits[number] if isinstance(visits, tuple) else visits
        found.append(
            pytest.param(visit, id=re.sub(r"[^\w]+", "-", feature) + ("" if number == 0 else f"-{number}"))
        )
    return found


@dataclass
class Visits:
    """What became of each visit; rows that are shown by the same one share it."""

    page: Page
    seen: dict[Try, tuple[str, str, list[str]]] = field(default_factory=dict)

    def of(self, visit: Try) -> tuple[str, str, list[str]]:
        """What the page said, what went over the wire, and what the console complained of."""
        if visit not in self.seen:
            self.page.tidy()
            self.page.browser.console  # noqa: B018 - reading it empties it
            self.page.evaluate("document.querySelector('es-wire')?.recording.clear()")
            self.page.go(visit.fragment)
            self.page.arrive(visit.fragment)
            visit.do(self.page)
            for part in visit.page:
                self.page.wait_for(part)
            for part in visit.wire:
                self.page.wait_for_exchange(part)
            self.seen[visit] = self.page.text, self.page.exchanges, self.page.browser.console
        return self.seen[visit]


@pytest.fixture(scope="module")
def visits(signed_in: Page) -> Visits:
    return Visits(signed_in)


def test_every_row_is_tried_or_has_a_reason() -> None:
    assert set(FEATURES) == TRIES.keys() | ELSEWHERE.keys()
    assert not TRIES.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("visit", [pytest.param(*one.values, id=one.id, marks=browser) for one in tries()])
def test_a_feature_shows_in_the_workbench(visits: Visits, visit: Try) -> None:
    said, sent, console = visits.of(visit)
    assert all(part in said for part in visit.page)
    assert all(part in sent for part in visit.wire)
    uncaught = [entry for entry in console if "Failed to load resource" not in entry]
    assert uncaught == []
