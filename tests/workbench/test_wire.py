"""The wire log in Chromium, on pages of the tour: by keyboard alone, and with what it marks."""

from __future__ import annotations

import pytest

from tests.support import chromium
from tests.support.chromium import ENTER, Chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium.missing() is not None, reason=chromium.missing() or ""),
]

LEFT, RIGHT = "\ue012", "\ue014"


@pytest.fixture
def browser(browser: Chromium) -> Chromium:
    browser.show_as(1280, "light")
    return browser


def to_the_rows(browser: Chromium) -> None:
    browser.tab_to("Skip to the wire")
    browser.press(ENTER)
    browser.tab_to_role("row")


def test_rows_are_walked_opened_and_closed_by_keys(browser: Chromium, live_server: object) -> None:
    browser.open(f"{live_server}/tour/tools")
    browser.wait_for_text("Session opened")
    to_the_rows(browser)
    assert "Session opened" in browser.focused
    browser.press("j")
    assert "tools/call add" in browser.focused
    browser.press("j")
    assert "get-structured-content" in browser.focused
    browser.press("k", ENTER)
    browser.wait_for_text("Bearer •••")
    browser.press(LEFT)
    browser.wait(lambda: not browser.shows("Bearer •••"), "the row is folded again")
    browser.press(LEFT, "k", RIGHT)
    browser.wait_for_text("initialize")


def test_only_one_row_is_a_stop_for_the_tab_key(browser: Chromium, live_server: object) -> None:
    browser.open(f"{live_server}/tour/tools")
    browser.wait_for_text("Session opened")
    to_the_rows(browser)
    browser.press("j")
    there = browser.focused
    browser.press(chromium.TAB)
    assert browser.focused != there
    assert "tools/call" not in browser.focused


def test_a_call_its_question_and_the_answer_are_one_tree(browser: Chromium, live_server: object) -> None:
    browser.open(f"{live_server}/tour/elicitation")
    browser.wait_for_text("elicitation/create")
    rows = browser.names("row")
    positions = [
        next(index for index, row in enumerate(rows) if part in row)
        for part in ("tools/call confirm_delete", "elicitation/create", 'answer to "QUESTION-1"', "result")
    ]
    assert positions == sorted(positions)


def test_a_header_that_disagrees_with_the_body_is_marked(browser: Chromium, live_server: object) -> None:
    browser.open(f"{live_server}/tour/no-session")
    browser.wait_for_text("server/discover")
    assert not browser.shows("≠ body: echo")
    browser.press("n", "n")
    browser.wait_for_text("≠ body: echo")


def test_a_challenge_is_taken_apart(browser: Chromium, live_server: object) -> None:
    browser.open(f"{live_server}/tour/step-up")
    browser.wait_for_text("describe-server")
    browser.wait_for_text("insufficient_scope")
    assert "resource_metadata" in browser.names("term")
