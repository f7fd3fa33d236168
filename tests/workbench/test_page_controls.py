"""The controls of the pages, by keyboard: tabs of clients, copying, the theme, and a dialog that asks."""

from __future__ import annotations

import pytest

from tests.support import chromium
from tests.support.chromium import ENTER, Chromium
from tests.support.deployment import Deployment
from tests.workbench.page import Page

MISSING = chromium.missing()

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

RIGHT, END = "\ue014", "\ue010"
THEME = "document.documentElement.dataset.theme"


@pytest.fixture
def landing(browser: Chromium, integrated: Deployment) -> Page:
    browser.open(integrated.url)
    return Page(browser, integrated.url)


def test_arrow_keys_choose_a_client_which_is_remembered(landing: Page) -> None:
    browser = landing.browser
    browser.tab_to("Inspector")
    browser.press(RIGHT)
    assert browser.focused == "Claude Code"
    assert "claude mcp add" in landing.text
    assert "npx -y" not in landing.text
    browser.press(END)
    assert browser.focused == "curl"
    browser.open(landing.base)
    assert "MCP-Protocol-Version: 2026-07-28" in landing.text
    assert "claude mcp add" not in landing.text


def test_copy_copies_and_says_so(landing: Page) -> None:
    browser = landing.browser
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.devtools("Browser.grantPermissions", origin=landing.base, permissions=permissions)
    browser.tab_to("Copy")
    browser.press(ENTER)
    browser.wait(lambda: browser.focused == "Copied", "the button says so")
    copied = browser.devtools(
        "Runtime.evaluate", expression="navigator.clipboard.readText()", awaitPromise=True
    )
    assert copied["result"]["value"] == f"{landing.base}/mcp"


def test_the_theme_is_kept_and_the_admin_has_it_too(landing: Page) -> None:
    browser = landing.browser
    browser.tab_to("Theme: system")
    browser.press(ENTER, ENTER)
    assert browser.focused == "Theme: dark"
    for path in ("/", "/admin/login/"):
        browser.open(landing.base + path)
        assert landing.evaluate(THEME) == "dark"
