"""Each row of docs/features.md is tried in the workbench, or it is said why it cannot be."""

from __future__ import annotations

import pytest

from tests.workbench.features import ELSEWHERE, TRIES, Visit
from tests.workbench.page import IN_CHROMIUM, Page
from tests.workbench.visits import FEATURES, Visits, tried


@pytest.fixture(scope="module")
def visits(signed_in: Page) -> Visits:
    return Visits(signed_in)


def test_every_row_is_tried_or_has_a_reason() -> None:
    assert set(FEATURES) == TRIES.keys() | ELSEWHERE.keys()
    assert not TRIES.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize(
    "visit",
    [pytest.param(row.what.at(row.what.own_revision), id=row.name, marks=IN_CHROMIUM) for row in tried()],
)
def test_a_feature_shows_in_the_workbench(visits: Visits, visit: Visit) -> None:
    seen = visits.of(visit)
    assert all(part in seen.text for part in visit.page)
    assert all(part in seen.exchanges for part in visit.wire)
    assert seen.console == []
