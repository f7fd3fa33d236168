"""The workbench in Chromium, on three processes: what a person with nothing but a browser can do."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.chromium import ENTER, TAB
from tests.workbench.page import CONTROL, DOWN, F6, IN_CHROMIUM, Page, place

pytestmark = IN_CHROMIUM

SLOW = place("tools", "longRunningOperation", args={"duration": 6, "steps": 6})


def troubles(page: Page) -> list[str]:
    """What the console complains of, but for the statuses and broken connections that a test wants."""
    wanted = re.compile(
        r"/mcp - Failed to load resource: .*(401|403|404|400|ERR_INCOMPLETE|ERR_EMPTY|502|503)"
    )
    return [entry for entry in page.browser.console if not wanted.search(entry)]


def elsewhere(page: Page) -> list[str]:
    """The requests that went to anything but this server."""
    local = (page.base, "data:", "blob:", "about:", "chrome")
    return [url for url in page.browser.requested if not url.startswith(local)]


def has_ended(page: Page, status: int) -> bool:
    """Whether there were responses of this status, and the wire shows each as over."""
    exchanges = "document.querySelector('es-wire').recording.exchanges"
    script = f"{exchanges}.filter(({{response}}) => response?.status === {status}).map((one) => one.endedAt)"
    ends = page.evaluate(script)
    return bool(ends) and None not in ends


def test_a_fresh_browser_gets_the_result_of_a_tool(fresh: Page) -> None:
    fresh.open(place("tools", "add", args={"a": 2, "b": 40}))
    fresh.sign_in()
    fresh.wait_for("Add two numbers")
    assert fresh.calls == [], "a link prepares, and a person presses Run"
    fresh.press("Run", "main")
    fresh.wait_for("The sum of 2 and 40 is 42.")
    fresh.wait_for_wire("tools/call add")
    assert troubles(fresh) == []
    assert elsewhere(fresh) == []


def test_the_keyboard_alone_does_it_too(fresh: Page) -> None:
    browser = fresh.browser
    fresh.open()
    fresh.wait_for("Connect", "Challenge")
    browser.tab_to("Connect")
    browser.press(TAB)
    while browser.focused != "Connect":  # the link of that name in the header comes first
        browser.press(TAB)
    browser.press(ENTER)
    fresh.consent()
    fresh.wait_until_connected()
    browser.press("/", *"add two")
    browser.press(ENTER)
    fresh.wait_for("Add two numbers", "Run")
    browser.press(F6)
    for value in ("2", "40"):
        browser.tab_to_role("textbox")
        browser.press(*value)
    browser.chord(CONTROL, ENTER)
    fresh.wait_for("The sum of 2 and 40 is 42.")


def test_the_keyboard_alone_kills_a_process_whose_call_goes_on_at_another(shared: Page) -> None:
    browser = shared.browser

    def progress() -> int:
        found = re.search(r"(\d+) of 60", shared.text)
        return int(found[1]) if found else 0

    shared.use("2025-11-25")
    shared.go(place("tools", "longRunningOperation", args={"duration": 60, "steps": 60}))
    shared.wait_for("Long running operation")
    browser.tab_to("Run")
    browser.press(ENTER)
    shared.wait(progress, "the first step")
    browser.tab_to("Break it")
    browser.press(ENTER)
    shared.wait_for("which serves this call")
    assert shared.covered(".wb-call .wb-menu-items button") == []
    process = re.findall(r"Kill (p\d), which serves", shared.text)[-1]
    browser.tab_to(f"Kill {process}, which serves this call")
    begun = progress()
    shared.wait(lambda: progress() > begun, "another step, which must not take the focus away")
    browser.press(ENTER)
    shared.wait_for("is gone")
    seen = progress()
    shared.wait(lambda: progress() > seen, "that the call goes on")
    assert "killed by you" in shared.wire
    assert re.search(rf"on {process} → p\d", shared.text)
    shared.press("Cancel", ".wb-call")


def test_after_a_link_the_focus_is_on_the_title_of_what_it_shows(shared: Page) -> None:
    browser = shared.browser
    shared.use("2025-11-25")
    shared.go(place("start"))
    shared.wait_for("You are connected")
    link = "document.querySelector('main .wb-cards a')"
    title = shared.evaluate(f"{link}.querySelector('strong')?.innerText ?? {link}.innerText.split('\\n')[0]")
    shared.evaluate(f"{link}.focus()")
    browser.press(ENTER)
    browser.wait(lambda: browser.focused.startswith(title), f"the focus on {title}")


def test_a_stream_that_is_cut_is_resumed_when_and_where_a_person_wants(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(SLOW)
    shared.wait_for("Long running operation")
    shared.run()
    shared.wait_for("1 of 6")
    shared.press("Break it", ".wb-call")
    shared.press("Cut this stream", ".wb-call")
    shared.wait_for_call("cut")
    shared.press("Resume at p", ".wb-call")
    assert "Long running operation completed" in shared.wait_for_call()


def test_at_2026_07_28_cutting_the_stream_cancels_the_call(shared: Page) -> None:
    shared.use("2026-07-28")
    shared.go(SLOW)
    shared.wait_for("Long running operation")
    shared.run()
    shared.wait_for("1 of 6")
    shared.press("Break it", ".wb-call")
    shared.press("Cut this stream", ".wb-call")
    assert "that cancels the call" in shared.wait_for_call("cancelled")


def test_a_reload_in_mid_call_resumes_it(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(SLOW)
    shared.wait_for("Long running operation")
    shared.run()
    shared.wait_for("2 of 6")
    shared.evaluate("location.reload()")
    shared.wait_until_connected()
    assert "Long running operation completed" in shared.wait_for_call()
    assert "resumed after" in shared.wire


def test_with_six_streams_in_two_tabs_a_request_still_goes_out(shared: Page) -> None:
    browser = shared.browser
    slow = place("tools", "longRunningOperation", args={"duration": 60, "steps": 2})
    shared.use("2025-11-25")
    first = browser.windows[0]
    shared.evaluate("void window.open('/try')")
    second = browser.wait_for_windows(2)[1]
    for window in (first, second):  # each has its GET stream already
        browser.look_at(window)
        shared.wait_until_connected()
        shared.go(slow)
        shared.wait_for("Long running operation")
        shared.run()
        shared.wait_for("Running")
        shared.run()
    shared.wait_for("Queued: four streams are open")
    shared.go(place("session"))
    shared.press("Ping", "main")
    shared.wait_for("Answered by p")
    browser.close_window()
    browser.look_at(first)
    for _ in range(2):
        shared.press("Cancel", ".wb-call")


def test_a_tab_that_is_duplicated_opens_a_session_of_its_own(shared: Page) -> None:
    browser = shared.browser
    shared.use("2025-11-25")
    shared.go(place("session"))

    def session() -> str:
        found = re.search(r"Session\s+([0-9a-zA-Z_-]{20,})", shared.wait_for("Scopes"))
        assert found
        return found[1]

    own = session()
    shared.evaluate(
        "void window.open(location.href)"
    )  # with a copy of the session storage, as duplicating gives
    other = browser.wait_for_windows(2)[1]
    browser.look_at(other)
    shared.wait_until_connected()
    assert session() != own
    browser.close_window()
    browser.look_at(browser.windows[0])
    assert session() == own


def test_a_tool_that_needs_more_access_gets_it_after_asking(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "describe-server"))
    shared.wait_for("Describe the server")
    shared.run()
    shared.press("Sign in for more access", "dialog")
    shared.consent(None)
    assert "everything-server" in shared.wait_for_call()
    assert has_ended(shared, 403), "no response is left open"


@pytest.mark.parametrize("control", ["Corrupt the access token", "Forget the access token"])
def test_a_bad_token_is_refreshed_and_the_call_goes_through(shared: Page, control: str) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "echo", args={"message": control}))
    shared.wait_for("Echo")
    shared.press("Break it", ".wb-strip")
    shared.press(control, ".wb-strip")
    shared.run()
    shared.wait_for(f"Echo: {control}")
    assert has_ended(shared, 401), "no response is left open"


def test_after_a_revocation_a_person_signs_in_again_and_finds_what_they_typed(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "echo", args={"message": "kept"}))
    shared.wait_for("Echo")
    shared.press("Break it", ".wb-strip")
    shared.press("Revoke the tokens", ".wb-strip")
    shared.wait_for_wire("/revoke")
    shared.run()
    shared.wait_for("You are signed out")
    assert shared.evaluate("document.querySelector('.wb-session').innerText") == "not connected"
    shared.press("Sign in again", "main")
    shared.consent(None)
    shared.wait_for("Message")
    shared.run()
    shared.wait_for("Echo: kept")


def test_the_newest_question_is_in_sight_while_older_ones_wait(fresh: Page) -> None:
    fresh.open()
    fresh.sign_in()
    fresh.wait_for("You are connected")
    assert fresh.browser.focused.startswith("You are connected"), "the button that had the focus is gone"
    for tool in ("elicitInputs", "trigger-url-elicitation"):
        fresh.go(place("tools", tool))
        fresh.wait_for(tool, "Run")
        fresh.run()
        fresh.wait_for_call("asking")
    assert fresh.covered("[data-kind=elicitation-url] .question-title") == []


def test_a_session_that_the_server_forgot_is_replaced_wherever_a_person_has_gone(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "echo", args={"message": "anew"}))
    shared.wait_for("Echo")
    shared.evaluate(
        "(() => { const token = JSON.parse(sessionStorage.getItem('es-tokens')).access_token;"
        " const { request } = document.querySelector('es-wire').recording.exchanges"
        ".findLast(({ request }) => JSON.stringify(request).includes('notifications/initialized'));"
        " const headers = { ...Object.fromEntries(request.headers), Authorization: `Bearer ${token}` };"
        " delete headers['Content-Type']; return fetch('/mcp', { method: 'DELETE', headers }); })()"
    )
    shared.wait_for("no longer knows this session")
    shared.go(place("tools", "add"))
    shared.wait_for("Add two numbers", "no longer knows this session")
    shared.press("Open a new session", "main")
    shared.wait(lambda: "no longer knows this session" not in shared.text, "a new session")
    shared.go(place("tools", "echo", args={"message": "anew"}))
    shared.wait_for("Message")
    shared.run()
    shared.wait_for("Echo: anew")


def test_signing_out_revokes_the_tokens_and_ends_the_session(fresh: Page) -> None:
    fresh.open()
    fresh.sign_in()
    token = json.loads(fresh.evaluate("sessionStorage.getItem('es-tokens')"))["access_token"]
    fresh.press("Disconnect", ".wb-strip")
    fresh.wait_for("Try this server in your browser")
    fresh.wait_for_wire("/revoke")
    assert fresh.evaluate("sessionStorage.getItem('es-tokens')") is None
    assert token not in fresh.evaluate("JSON.stringify({...localStorage})")


def test_a_form_keeps_what_was_typed_when_the_revision_changes(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "echo", args={"message": "still here"}))
    shared.wait_for("Echo")
    shared.go(place("tools", "echo"))
    shared.use("2026-07-28")
    shared.wait_for("Echo", "Run")
    shared.run()
    shared.wait_for("Echo: still here")


def test_a_session_that_was_deleted_can_be_replaced(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("session"))
    shared.press("Delete the session", "main")
    shared.press("Open a session", "main")
    shared.wait_until_connected()


def test_an_answer_to_a_question_reaches_its_call(shared: Page) -> None:
    for revision in ("2025-11-25", "2026-07-28"):
        shared.use(revision)
        shared.go(place("tools", "elicitInputs"))
        shared.wait_for("Elicit inputs")
        shared.run()
        shared.press("Decline", "es-questions")
        assert '"decline"' in shared.wait_for_call()


def test_arrows_move_in_the_list_and_one_tab_leaves_it(shared: Page) -> None:
    browser = shared.browser
    browser.show_as(1280, "light")
    shared.use("2025-11-25")
    shared.evaluate("document.activeElement.blur()")
    browser.press("g", "t")
    assert browser.focused.startswith("Tools")
    browser.press(DOWN)
    first = browser.focused
    browser.press(ENTER)
    browser.wait(lambda: first in browser.names("heading"), f"the view of {first}")
    browser.press(TAB)
    assert browser.focused == "Width of the list of features"


def test_an_answer_is_sent_where_and_as_often_as_a_person_wants_or_never(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "sampleLLM", args={"prompt": "hello"}))
    shared.wait_for("Sample the client")
    shared.run()
    for control in ("Answer at p", "Answer twice"):
        shared.press("Break it", "es-questions")
        shared.press(control, "es-questions")
    told = re.search(r"will be sent twice, to (p\d)", shared.wait_for("will be sent twice, to p"))
    assert told
    shared.press("Echo", "es-questions")
    shared.wait_for_call()
    answers = 'one => /"role":"assistant"/.test(one.request.body)'
    recorded = "[...document.querySelector('es-wire').recording.exchanges]"
    served = f"{recorded}.filter({answers}).map((one) => one.servedBy).join()"
    shared.wait(lambda: shared.evaluate(served) == f"{told[1]},{told[1]}", "two answers there")

    shared.run()
    shared.press("Break it", "es-questions")
    shared.press("Never answer", "es-questions")
    shared.wait_for("No answer is sent")
    assert shared.calls[0] == "asking"


def test_the_filter_of_the_wire_is_in_the_link_and_survives_moving_and_reloading(shared: Page) -> None:
    shared.go(place("tools", "echo"))
    shared.press("Errors", "es-wire")
    shared.wait(lambda: "filter=errors" in shared.evaluate("location.hash"), "the filter in the fragment")
    shared.go(place("tools", "add"))
    shared.wait_for("Add two numbers")
    assert "filter=errors" in shared.evaluate("location.hash")
    shared.evaluate("location.reload()")
    shared.wait_until_connected()
    pressed = "[...document.querySelectorAll('es-wire [aria-pressed=true]')]"
    assert shared.evaluate(f"{pressed}.map((one) => one.innerText).join()") == "Errors"
    shared.press("Errors", "es-wire")
    shared.wait(lambda: "filter" not in shared.evaluate("location.hash"), "no filter")


def test_at_400_percent_the_page_scrolls_and_its_controls_stay_whole(shared: Page) -> None:
    browser = shared.browser
    shared.go(place("tools", "add"))
    shared.wait_for("Add two numbers")
    zoomed = {"width": 320, "height": 256, "deviceScaleFactor": 4, "mobile": False}
    browser.devtools("Emulation.setDeviceMetricsOverride", **zoomed)
    assert browser.overflow == 0
    assert shared.covered(".wb-strip select, .wb-strip .wb-menu > summary, .wb-tabs button") == []
    browser.show_as(1280, "light")


def test_the_wire_is_drawn_as_a_sequence_diagram_which_is_saved_as_a_picture(shared: Page) -> None:
    shared.use("2025-11-25")
    shared.go(place("tools", "add", args={"a": 2, "b": 40}))
    shared.wait_for("Add two numbers")
    shared.run()
    shared.wait_for_call()
    shared.browser.console  # noqa: B018 - reading it empties it
    shared.press("Export", "es-wire")
    shared.press("Sequence diagram", "es-wire")
    dialog = "document.querySelector('dialog.w-diagram')"
    shared.wait(lambda: "tools/call" in shared.evaluate(f"{dialog}?.innerText ?? ''"), "the diagram")
    for kind in ("PNG", "SVG"):
        shared.press(f"Save as {kind}", "dialog")
        shared.wait(lambda: "Saved." in shared.evaluate(f"{dialog}.innerText"), f"a {kind}")
        shared.evaluate(f"{dialog}.querySelector('[role=status]').textContent = ''")
    shared.press("Close", "dialog")
    assert shared.browser.console == []


def test_while_the_server_does_not_answer_the_page_says_so_and_keeps_its_last_state(shared: Page) -> None:
    def network(offline: bool) -> None:
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        shared.browser.devtools("Network.emulateNetworkConditions", offline=offline, **conditions)

    gone = "document.querySelector('.wb-gone:not([hidden])')?.innerText ?? ''"
    shared.use("2025-11-25")
    shared.go(place("tools", "add", args={"a": 2, "b": 40}))
    shared.wait_for("Add two numbers")
    network(offline=True)
    try:
        shared.run()
        shared.wait(lambda: "Trying again in" in shared.evaluate(gone), "that the server is gone")
        assert "Add two numbers" in shared.text
    finally:
        network(offline=False)
    shared.wait(lambda: shared.evaluate(gone) == "", "that the server is back")
    shared.run()
    shared.wait_for("The sum of 2 and 40 is 42.")
