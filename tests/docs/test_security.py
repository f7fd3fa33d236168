"""docs/security.md: every test that it names exists."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import DOCS

TESTS = DOCS.parent / "tests"
NAMED = sorted(set(re.findall(r"`(test_[a-z0-9_]+)\.(test_[a-z0-9_]+)`", (DOCS / "security.md").read_text())))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 60


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_a_named_test_exists(module: str, name: str) -> None:
    modules = [path.read_text() for path in TESTS.rglob(f"{module}.py")]
    assert any(re.search(rf"def {name}\(", text) for text in modules)
