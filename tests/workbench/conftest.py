"""One server with three processes behind its relay, for all browser tests of the workbench."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.everything_site.checkout import Checkout, checkout, eventually
from tests.support import chromium
from tests.support.chromium import Chromium
from tests.support.deployment import integrated
from tests.workbench.page import Page

__all__ = ["another", "fresh", "integrated", "shared", "signed_in", "three"]

SETTINGS = """
from everything_site.settings import *

WHITENOISE_AUTOREFRESH = False
WHITENOISE_MAX_AGE = 3600
"""
"""Browsers keep the hundred modules of the page, which nobody changes, as they do in production."""


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """`runserver --processes 3`, with the fixtures of the conformance suite. Tests may kill its processes."""
    with checkout(tmp_path_factory.mktemp("workbench"), migrated=True) as made:
        (made.folder / "served.py").write_text(SETTINGS)
        made.start(
            *("--processes", "3", "--noreload"),
            CONFORMANCE_FIXTURES="true",
            DJANGO_SETTINGS_MODULE="served",
        )
        eventually(lambda: "MCP Inspector" in made.output or made.has_ended, "three processes serve")
        yield made


@pytest.fixture
def fresh(three: Checkout, browser: Chromium) -> Page:
    """A browser that has never been here."""
    return Page(browser, f"http://localhost:{three.port}")


@pytest.fixture(scope="session")
def another(three: Checkout) -> Iterator[Page]:
    """Another browser, which is signed in, with the machine room closed."""
    with chromium.chromium() as browser:
        page = Page(browser, f"http://localhost:{three.port}")
        page.open()
        page.sign_in()
        page.open_room(is_open=False)  # it draws all the time
        yield page


@pytest.fixture(scope="module")
def signed_in(another: Page) -> Iterator[Page]:
    """The browser that is signed in, for a module."""
    yield another
    another.browser.rest()


@pytest.fixture
def shared(signed_in: Page) -> Page:
    """The browser that is signed in, with one tab, whatever the last test left."""
    signed_in.tidy()
    signed_in.renew()
    return signed_in
