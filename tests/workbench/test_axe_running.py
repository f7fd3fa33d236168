"""axe-core finds nothing while calls run: progress, a question, a broken stream, a killed process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.everything_site.checkout import Checkout
from tests.support import axe
from tests.support.chromium import Scheme
from tests.workbench.operators import operators_cookies
from tests.workbench.page import IN_CHROMIUM, Page, place

pytestmark = [
    *IN_CHROMIUM,
    pytest.mark.skipif(axe.missing() is not None, reason=axe.missing() or ""),
]

LOOKS: list[tuple[int, Scheme]] = [(1280, "light"), (390, "light"), (1280, "dark")]

LONG = place("tools", "longRunningOperation", args={"duration": 90, "steps": 60})


def _running(page: Page) -> None:
    page.go(LONG)
    page.wait_for("Long running operation")
    page.run()
    page.wait_for("1 of 60")


def _broken(page: Page, control: str, then: str) -> None:
    _running(page)
    page.press("Break it", ".wb-call")
    page.press(control, ".wb-call")
    page.wait_for(then)


def _menu(page: Page) -> None:
    _running(page)
    page.press("Break it", ".wb-call")


def _asked(page: Page) -> None:
    page.go(place("tools", "elicitInputs"))
    page.wait_for("Elicit inputs")
    page.run()
    page.wait_for_call("asking")


def _withdrawn(page: Page) -> None:
    _asked(page)
    page.press("Cancel", ".wb-call")
    page.wait_for("Withdrawn")


def _unfolded(page: Page) -> None:
    page.go(place("tools", "add", args={"a": 2, "b": 40}))
    page.wait_for("Add two numbers")
    page.run()
    page.wait_for_call()
    page.evaluate("document.querySelector('es-wire .w-row:last-of-type').focus()")
    page.browser.press("\ue014")


def _drawn(page: Page) -> None:
    _unfolded(page)
    page.press("Export", "es-wire")
    page.press("Sequence diagram", "es-wire")


STATES: dict[str, Callable[[Page], None]] = {
    "the menu of a call with progress": _menu,
    "a stream that was cut": lambda page: _broken(page, "Cut this stream", "Resume here"),
    "a process that was killed": lambda page: _broken(page, "Kill p", "is gone"),
    "a question": _asked,
    "a question that was withdrawn": _withdrawn,
    "an unfolded row of the wire": _unfolded,
    "a sequence diagram": _drawn,
}


@pytest.fixture(scope="module")
def with_room(signed_in: Page) -> Iterator[Page]:
    """The browser that is signed in, with the machine room open."""
    signed_in.browser.show_as(1280, "light", motion=False)
    signed_in.tidy()
    signed_in.open_room(is_open=True)
    yield signed_in
    signed_in.tidy()
    signed_in.open_room(is_open=False)
    signed_in.browser.show_as(1280, "light")


@pytest.fixture
def page(with_room: Page) -> Page:
    page = with_room
    page.browser.show_as(1280, "light", motion=False)
    page.tidy()
    page.renew()
    page.use("2025-11-25")
    page.evaluate("document.querySelector('es-wire').recording.clear()")  # a long log takes long to check
    return page


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_in_a_workbench_at_work(page: Page, state: str) -> None:
    STATES[state](page)
    found = axe.faults(page.browser, f"workbench, {state}", LOOKS)
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_the_machine_room_of_operators(page: Page, three: Checkout) -> None:
    browser = page.browser
    _running(page)
    for name, value in operators_cookies(page.base, three.manage).items():
        browser.devtools("Network.setCookie", name=name, value=value, url=page.base)
    page.evaluate("void window.open('/admin/room/')")
    browser.look_at(browser.wait_for_windows(2)[1])
    browser.wait_for_text("longRunningOperation")
    found = axe.faults(browser, "machine room, a call", LOOKS)
    browser.close_window()
    browser.look_at(browser.windows[0])
    assert not found, "\n".join(found)
