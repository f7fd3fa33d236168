"""docs/security.md: every test that it names exists."""

from __future__ import annotations

import functools
import re

from tests.docs.markdown import DOCS

TESTS = DOCS.parent / "tests"
NAMED = sorted(set(re.findall(r"`(test_[a-z0-9_]+)\.(test_[a-z0-9_]+)`", (DOCS / "security.md").read_text())))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 60


@functools.cache
def existing() -> set[tuple[str, str]]:
    """The name of each test, after that of its module."""
    return {
        (path.stem, name)
        for folder in TESTS.iterdir()
        for path in ([] if folder.name == "conformance" else folder.rglob("test_*.py"))  # has npm packages
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }


def test_every_named_test_exists() -> None:
    assert {*NAMED} - existing() == set()
