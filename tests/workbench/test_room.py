"""The machine room in a browser: processes are seen, killed by keyboard, and seen to come back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.everything_site.checkout import Checkout
from tests.support import chromium
from tests.support.chromium import ENTER, TAB, Chromium
from tests.support.processes import needs_proc

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.timeout(240),
    needs_proc,
    pytest.mark.skipif(chromium.missing() is not None, reason=chromium.missing() or ""),
]


@pytest.fixture(scope="module")
def room(three: Checkout, one_browser: Chromium) -> Iterator[Chromium]:
    """The page, for the first administrator."""
    password = re.search(r"user admin, password (\S+)\)", three.output)
    assert password, three.output
    one_browser.renew()
    one_browser.show_as(1280, "light")
    one_browser.open(f"http://localhost:{three.port}/admin/login/?next=/admin/room/")
    one_browser.press(*"admin", TAB, *password[1], ENTER)
    one_browser.wait_for_title("Machine room")
    yield one_browser
    one_browser.rest()


def said(room: Chromium) -> str:
    """All text of the page, as a screen reader would say it."""
    return "\n".join(
        node["name"]["value"]
        for node in room.accessibility_tree
        if not node["ignored"] and node["role"]["value"] == "StaticText"
    )


def until(room: Chromium, right: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not right():
        assert time.monotonic() < deadline, f"{what}, but the page says:\n{said(room)}"
        time.sleep(0.2)


def test_a_process_is_killed_by_keyboard_and_comes_back(room: Chromium) -> None:
    until(room, lambda: {"Kill p1", "Kill p2"} <= set(room.names("button")), "both can be killed")
    room.tab_to("Kill p1")
    room.press(ENTER)
    until(room, lambda: "Start p1" in room.names("button"), "it can be started")
    assert "dead, back in" in said(room)
    room.press(ENTER)
    until(room, lambda: "Kill p1" in room.names("button"), "it is back")
    assert room.focused == "Kill p1", "the focus has stayed"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits(room: Chromium, width: int, scheme: chromium.Scheme, tmp_path: Path) -> None:
    room.show_as(width, scheme)
    until(room, lambda: "serving" in said(room), "a process serves")
    assert room.overflow <= 0
    assert room.picture()


def test_the_same_is_there_as_text(room: Chromium) -> None:
    until(room, lambda: "serving" in said(room), "a process serves")
    assert {"Process", "State", "Streams", "Calls held"} <= set(room.names("columnheader"))
    assert {"as text", "last events"} <= {name.lower() for name in room.names("heading")}
