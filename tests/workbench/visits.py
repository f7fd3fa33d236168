"""Visits of the workbench, one for each row of docs/features.md and each of its revisions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from everything_site.pages.tour import REVISIONS, revision_badges
from tests.docs.markdown import rows
from tests.workbench.features import ELSEWHERE, TRIES, Try, Visit
from tests.workbench.page import Page

ROWS = [row for row in rows("features.md", "Feature", "Revisions") if "Proved by" in row]
FEATURES = [row["Feature"] for row in ROWS]

EXTENSIONS = {"tasks": ["2026-07-28"], "skills": list(REVISIONS), "apps": list(REVISIONS)}
"""The revisions at which the extensions are announced."""


@dataclass(frozen=True)
class Row:
    """A row of docs/features.md that can be tried.

    Args:
        name: The feature; rows of one name are numbered.
        revisions: The revisions that have it.
        what: What shows it.
    """

    name: str
    revisions: tuple[str, ...]
    what: Try


def tried() -> Iterator[Row]:
    """Each row with what shows it; rows of one name take turns."""
    seen: dict[str, int] = {}
    for row in ROWS:
        feature = row["Feature"]
        if feature in ELSEWHERE:
            continue
        whats = TRIES[feature]
        number = seen[feature] = seen.get(feature, -1) + 1
        what = whats[number] if isinstance(whats, tuple) else whats
        revisions = EXTENSIONS.get(row["Revisions"]) or revision_badges(row["Revisions"])
        name = re.sub(r"[^\w]+", "-", feature) + (f"-{number}" if number else "")
        yield Row(name, tuple(revisions), what)


@dataclass(frozen=True)
class Seen:
    """What a visit showed: what the page said, what went over the wire, what the console complained of."""

    text: str
    exchanges: str
    console: list[str]


@dataclass
class Visits:
    """What became of each visit; rows that are shown by the same one share it."""

    page: Page
    seen: dict[Visit, Seen] = field(default_factory=dict)

    def of(self, visit: Visit) -> Seen:
        if visit not in self.seen:
            self.page.tidy()
            self.page.go(visit.fragment)
            self.page.arrive(visit.fragment)
            visit.do(self.page)
            for part in visit.page:
                self.page.wait_for(part)
            for part in visit.wire:
                self.page.wait_for_exchange(part)
            uncaught = [line for line in self.page.browser.console if "Failed to load resource" not in line]
            self.seen[visit] = Seen(self.page.text, self.page.exchanges, uncaught)
        return self.seen[visit]
