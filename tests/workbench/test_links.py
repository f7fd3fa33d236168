"""The links of the column "Try" of docs/features.md lead to what they name."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import code, rows
from tests.workbench.page import IN_CHROMIUM, Page

pytestmark = IN_CHROMIUM

FRAGMENTS = sorted(
    {
        fragment
        for row in rows("features.md", "Feature", "Revisions")
        for fragment in code(row.get("Try", ""))
        if "rev=" in fragment
    }
)
BY_REVISION: dict[str, list[str]] = {}
for one in FRAGMENTS:
    BY_REVISION.setdefault(one.partition("rev=")[2][:10], []).append(one)


@pytest.mark.parametrize("revision", sorted(BY_REVISION))
def test_every_link_opens_what_it_names(shared: Page, revision: str) -> None:
    shared.use(revision)
    for fragment in BY_REVISION[revision]:
        shared.go(fragment)
        shared.wait(lambda: not re.search("You are connected|Loading the list", shared.text), fragment)
        assert "lists no such" not in shared.text, fragment
    assert [entry for entry in shared.browser.console if "Failed to load resource" not in entry] == []
