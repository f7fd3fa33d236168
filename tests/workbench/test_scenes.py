"""The scenes of the workbench in Chromium: each is played to its end, one step at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.chromium import ENTER, TAB
from tests.workbench.page import IN_CHROMIUM, Page, place

FILE = Path(__file__).parents[2] / "everything_site/workbench/static/workbench/scenes/scenes.json"
SCENES = json.loads(FILE.read_text())

pytestmark = IN_CHROMIUM


def step(page: Page, scene: str, number: int, key: str = "n") -> None:
    """Press a key, and wait until the step of that number, from 0, has happened."""
    expected = SCENES[scene]["steps"][number]["then"]
    page.browser.press(key)
    page.wait(lambda: expected in page.scene, expected)


def play(page: Page, scene: str, first: int = 0) -> None:
    for number in range(first, len(SCENES[scene]["steps"])):
        step(page, scene, number)
    assert "The end" in page.scene


def test_a_person_without_a_mouse_watches_a_process_die_from_the_landing_page_on(fresh: Page) -> None:
    browser = fresh.browser
    browser.open(fresh.base)
    browser.tab_to("Watch a process die")
    browser.press(ENTER)
    fresh.wait(lambda: "Connect first" in fresh.scene, "the scene")
    browser.tab_to("Connect")
    browser.press(TAB)
    while browser.focused != "Connect":  # the link of that name in the header comes first
        browser.press(TAB)
    browser.press(ENTER)
    fresh.consent()
    fresh.wait_until_connected("2025-11-25")
    assert fresh.calls == [], "a link prepares, and a person presses Next"
    assert browser.focused == "Next n"
    step(fresh, "kill", 0, key=ENTER)
    assert browser.focused == "Next n"
    play(fresh, "kill", first=1)
    assert "Long running operation completed" in fresh.text
    assert "killed by you" in fresh.wire


def opened(page: Page, scene: str, parameters: str = "") -> None:
    """Open a scene by the link to it, in a page that is connected."""
    where = SCENES[scene]["place"]
    fragment = place(where["kind"], where["name"], revision=where["revision"])
    page.go(f"{fragment}&scene={scene}{parameters}")
    page.wait(lambda: SCENES[scene]["title"] in page.scene, "the scene")


def test_a_stream_is_cut_and_caught_up_with(shared: Page) -> None:
    opened(shared, "cut")
    play(shared, "cut")
    assert "cut by you" in shared.wire


def test_an_answer_is_given_at_another_process_than_the_one_that_asked(shared: Page) -> None:
    opened(shared, "answer")
    play(shared, "answer")
    assert "Waiting for your answer" not in shared.text


@pytest.mark.parametrize("scene", ["task", "lost-task"])
def test_the_task_of_a_killed_process_is_run_again_if_that_is_safe(shared: Page, scene: str) -> None:
    opened(shared, scene)
    play(shared, scene)
    assert "killed by you" in shared.wire


def test_a_tool_gets_the_scope_that_its_token_lacked(shared: Page) -> None:
    opened(shared, "step-up")
    step(shared, "step-up", 0)
    shared.press("Sign in for more access", "dialog")
    shared.consent(None)
    step(shared, "step-up", 1)
    assert "everything-server" in shared.text


def test_another_person_is_told_that_there_is_no_such_note(fresh: Page) -> None:
    browser = fresh.browser
    fresh.open()
    fresh.sign_in("alice")
    opened(fresh, "two-people")
    fresh.use("2026-07-28")
    step(fresh, "two-people", 0)
    browser.press("n")
    own, window = browser.wait_for_windows(2)
    browser.look_at(window)
    browser.wait_for_title("Allow")
    browser.tab_to("Not you?")
    browser.press(ENTER)
    browser.look_at(own)
    fresh.consent("bob")
    after = SCENES["two-people"]["steps"][1]["then"]
    fresh.wait(lambda: after in fresh.scene, after)
    play(fresh, "two-people", first=2)
    fresh.wait_for_exchange("Other person")


def test_a_link_into_the_middle_of_a_scene_is_set_right(shared: Page) -> None:
    opened(shared, "answer", "&step=2")
    shared.wait(lambda: "have not been played here" in shared.scene, "that the beginning is missing")
    assert shared.calls == []
    shared.press("Set right", ".wb-scene")
    shared.wait(lambda: "The question waits" in shared.scene, "the first step")
    step(shared, "answer", 1)
