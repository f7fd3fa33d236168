"""The workbench in a browser, as a person uses it: by keys, buttons, and what the page says."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from tests.support import chromium
from tests.support.chromium import ENTER, Chromium
from tests.support.processes import needs_proc

_MISSING = chromium.missing()

IN_CHROMIUM = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.timeout(180),
    needs_proc,
    pytest.mark.skipif(_MISSING is not None, reason=_MISSING or ""),
]
"""The marks of a module whose tests use the workbench in a browser."""

CONTROL, ESCAPE, F6, DOWN = "\ue009", "\ue00c", "\ue036", "\ue015"


def place(kind: str, name: str | None = None, *, revision: str | None = None, args: Any = None) -> str:
    """The fragment of a place of the workbench, as `route.js` makes it."""
    query = [f"rev={revision}"] if revision else []
    if args is not None:
        encoded = base64.urlsafe_b64encode(json.dumps(args).encode()).decode().rstrip("=")
        query.append(f"args={encoded}")
    path = f"#/{kind}" + ("" if name is None else f"/{quote(name, safe='')}")
    return path + (f"?{'&'.join(query)}" if query else "")


@dataclass
class Page:
    """One tab with the workbench, of a server with several processes."""

    browser: Chromium
    base: str

    def open(self, fragment: str = "") -> None:
        self.browser.open("about:blank")  # or another fragment would not load the page
        self.browser.open(f"{self.base}/try{fragment}")

    def go(self, fragment: str) -> None:
        """Follow a link within the page; when this returns, the page has heard of it."""
        self.evaluate(
            "new Promise((heard) => { const before = location.href;"
            f" location.hash = {json.dumps(fragment)};"
            " if (location.href === before) heard();"
            " else addEventListener('hashchange', () => heard(), { once: true }); })",
            awaits=True,
        )

    def tidy(self) -> None:
        """End what a test has left: tabs, dialogs, calls, a scope that a tool got, the wire, messages.

        Load the page if it is lost.
        """
        browser = self.browser
        first, *others = browser.windows
        for window in others:
            browser.look_at(window)
            browser.close_window()
        browser.look_at(first)
        if self.evaluate("document.querySelector('.wb-session')?.dataset.state") != "on":
            self.open()
            self.wait_until_connected()
        self.evaluate(
            "document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());"
            "document.querySelectorAll('.wb-cancel:not([hidden])').forEach((button) => button.click())"
        )
        if "mcp:admin" in self.evaluate("sessionStorage.getItem('es-tokens')"):
            self.sign_in_anew()
        self.evaluate("document.querySelector('es-wire').recording.clear()")
        browser.console  # noqa: B018 - reading it empties it

    def open_room(self, *, is_open: bool) -> None:
        """Choose whether the machine room is open, as this person finds it again in later pages."""
        value = "open" if is_open else "closed"
        self.evaluate(f"localStorage.setItem('es-room', '{value}')")

    def renew(self) -> None:
        """Load the page again, without a fragment: only the sign-in and the session are still there."""
        self.evaluate("history.replaceState(null, '', location.pathname)")
        self.browser.reload()
        self.wait_until_connected()

    def evaluate(self, script: str, *, awaits: bool = False) -> Any:
        """The value of a script, or of its promise."""
        answer = self.browser.devtools(
            "Runtime.evaluate", expression=script, returnByValue=True, userGesture=True, awaitPromise=awaits
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        """What the middle of the page says."""
        return str(self.evaluate("document.querySelector('main')?.innerText ?? ''"))

    @property
    def wire(self) -> str:
        return str(self.evaluate("document.querySelector('#wire')?.innerText ?? ''"))

    @property
    def scene(self) -> str:
        """What the bar of the scene says."""
        return str(self.evaluate("document.querySelector('.wb-scene')?.innerText ?? ''"))

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until something is so; if it does not come to that, tell what the page said."""
        try:
            self.browser.wait(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says {self.scene!r}, {self.text!r}") from None

    def wait_for(self, *parts: str) -> str:
        """Wait until the middle says all of this."""
        self.wait(lambda: all(part in self.text for part in parts), f"{parts}")
        return self.text

    def wait_for_wire(self, part: str) -> None:
        self.wait(lambda: part in self.wire, f"{part!r} in the wire")

    @property
    def exchanges(self) -> str:
        """What went over the wire, as JSON without secrets."""
        script = "JSON.stringify(document.querySelector('es-wire').recording.masked().exchanges)"
        return json.dumps(json.loads(self.evaluate(script)), ensure_ascii=False).replace('\\"', '"')

    def wait_for_exchange(self, part: str) -> None:
        self.wait(lambda: part in self.exchanges, f"{part!r} on the wire")

    def arrive(self, fragment: str) -> None:
        """Wait until a place is shown, in a session at the revision of the link."""
        found = re.search(r"[?&]rev=([\d-]+)", fragment)
        if found is not None and not self.is_connected(found[1]):
            self.use(found[1])
        self.wait(lambda: self.evaluate("location.hash") == fragment, "the place")
        self.wait(lambda: not re.search("You are connected|Loading the list", self.text), fragment)

    def press(self, label: str, within: str = "body") -> None:
        """Press the first button, link or summary that is shown and begins with this label."""
        script = (
            f"(() => {{ const found = [...document.querySelectorAll({json.dumps(within)})].flatMap((one) =>"
            " [...one.querySelectorAll('button:not(:disabled), a, summary')])"
            ".find((one) => one.getClientRects().length > 0"
            f" && one.innerText.trim().startsWith({json.dumps(label)}));"
            " found?.click(); return found !== undefined; })()"
        )
        self.wait(lambda: self.evaluate(script), f"a button {label!r}")

    def covered(self, selector: str) -> list[str]:
        """What is hidden of these elements: they are outside of their pane, or beneath something."""
        script = (
            f"[...document.querySelectorAll({json.dumps(selector)})].filter((one) => {{"
            " const {left, top, bottom, width} = one.getBoundingClientRect();"
            " const isSeen = (y) => one.contains(document.elementFromPoint(left + width / 2, y));"
            " return ![top + 2, bottom - 2].every(isSeen);"
            " }).map((one) => one.innerText)"
        )
        return list(self.evaluate(script))

    def sign_in(self, person: str = "alice") -> None:
        """Connect, and in the window that opens choose a person and allow access."""
        self.press("Connect", "main")
        self.consent(person)
        self.wait_until_connected()

    def consent(self, person: str | None = "alice") -> None:
        """Decide in the window that has opened; with None for who is signed in already."""
        (own, window) = self.browser.wait_for_windows(2)
        self.browser.look_at(window)
        if person is not None:
            self.browser.wait_for_title("Sign in")
            self.browser.tab_to(person)
            self.browser.press(ENTER)
        self.browser.wait_for_title("Allow")
        self.browser.tab_to("Allow")
        self.browser.press(ENTER)
        self.browser.wait_for_windows(1)
        self.browser.look_at(own)

    def sign_in_anew(self) -> None:
        """Sign out and in again, as the same person; the token has the scope that every client gets first."""
        self.press("Disconnect", ".wb-strip")
        self.wait_for("Try this server in your browser")
        self.press("Sign in again", "main")
        self.consent(None)
        self.wait_until_connected()

    def is_connected(self, revision: str | None = None) -> bool:
        """Whether there is a session, or at 2026-07-28 a connection, whose lists have been read."""
        script = (
            "document.querySelector('.wb-session')?.dataset.state === 'on'"
            " && document.querySelectorAll('[role=treeitem]').length > 20"
        )
        if revision:
            script += f" && document.querySelector('#wb-revision').value === {json.dumps(revision)}"
        return bool(self.evaluate(script))

    def wait_until_connected(self, revision: str | None = None) -> None:
        self.wait(lambda: self.is_connected(revision), "a connection")

    def use(self, revision: str) -> None:
        """Choose a revision, which begins a new session."""
        self.evaluate(
            "(() => { const menu = document.querySelector('#wb-revision');"
            f" menu.value = {json.dumps(revision)}; menu.dispatchEvent(new Event('change')); }})()"
        )
        self.wait_until_connected(revision)

    def run(self) -> None:
        """Run what is shown, by its shortcut."""
        self.browser.chord(CONTROL, ENTER)

    @property
    def calls(self) -> list[str]:
        """The state of each call of the feature that is shown, latest first."""
        script = "[...document.querySelectorAll('.wb-place .wb-call')].map((one) => one.dataset.state)"
        return list(self.evaluate(script))

    def wait_for_call(self, state: str = "done") -> str:
        """Wait until the latest call of the feature that is shown is in a state."""
        self.wait(lambda: self.calls[:1] == [state], f"a call that is {state}")
        return self.text
