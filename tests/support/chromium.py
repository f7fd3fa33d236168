"""Debian's Chromium, driven over the WebDriver protocol: keys, pictures, and what a screen reader would hear.

No element is looked up but the one that has the focus, and no page has to run a script, so that it works in
the same way without JavaScript.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import httpx2

from tests.support.processes import free_port

Scheme = Literal["light", "dark"]

PATIENCE = 20.0
HOW = "apt-get install chromium chromium-driver"

# WebDriver §17.4.2: keys that are no characters.
TAB, ENTER = "\ue004", "\ue007"

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing() -> str | None:
    """Why Chromium cannot be driven; None if it can."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found: {HOW}" if absent else None


class Chromium:
    """One window."""

    def __init__(self, http: httpx2.Client, session: str) -> None:
        self._http = http
        self._session = session

    def open(self, url: str) -> None:
        self._post("url", {"url": url})

    def reload(self) -> None:
        """Load the page again; what has been downloaded is not asked for again while it is fresh."""
        self._post("refresh", {})

    @property
    def url(self) -> str:
        return self._value(self._http.get(f"/session/{self._session}/url"))

    @property
    def title(self) -> str:
        return self._value(self._http.get(f"/session/{self._session}/title"))

    def press(self, *keys: str) -> None:
        """Press and release keys, as a person does who has no mouse."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def chord(self, *keys: str) -> None:
        """Press keys together: the first ones are held until the last one has been pressed."""
        down = [{"type": "keyDown", "value": key} for key in keys]
        up = [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": down + up}]})

    def tab_to(self, name: str) -> None:
        """Press Tab until the focus is on the control of that name, as a screen reader would call it."""
        self._tab_until("name", name)

    def tab_to_role(self, role: str) -> None:
        """Press Tab until the focus is on a control of that role, as a screen reader would call it."""
        self._tab_until("role", role)

    def _tab_until(self, what: str, wanted: str) -> None:
        seen: list[str] = []
        for _ in range(60):
            self.press(TAB)
            node = self._focused_node
            seen.append("" if node is None else node[what]["value"])
            if seen[-1] == wanted:
                return
        raise AssertionError(f"no Tab led to the {what} {wanted!r}, only to {seen}")

    @property
    def focused(self) -> str:
        """The accessible name of what has the focus; empty when nothing has."""
        node = self._focused_node
        return "" if node is None else node["name"]["value"]

    @property
    def _focused_node(self) -> dict[str, Any] | None:
        """What has the focus, looked up by itself: the whole tree takes ten times as long, at each key."""
        element = self.devtools("Runtime.evaluate", expression="document.activeElement")["result"]
        if "objectId" in element:
            of_element = {"objectId": element["objectId"], "fetchRelatives": False}
            nodes = self.devtools("Accessibility.getPartialAXTree", **of_element)["nodes"]
            if (node := _focused(nodes)) is not None:
                return node
        return _focused(self.accessibility_tree)  # another element may have taken its place in between

    @property
    def accessibility_tree(self) -> list[dict[str, Any]]:
        return self.devtools("Accessibility.getFullAXTree")["nodes"]

    def names(self, role: str) -> list[str]:
        """The accessible names of all controls of a role."""
        return [
            node["name"]["value"]
            for node in self.accessibility_tree
            if not node["ignored"] and node["role"]["value"] == role
        ]

    @property
    def windows(self) -> list[str]:
        """All windows and tabs, the first one first."""
        return self._value(self._http.get(f"/session/{self._session}/window/handles"))

    def wait_for_windows(self, number: int) -> list[str]:
        self.wait(lambda: len(self.windows) == number, f"{number} windows")
        return self.windows

    def close_window(self) -> None:
        """Close the window that is looked at; look at another one next."""
        self._value(self._http.delete(f"/session/{self._session}/window"))

    def look_at(self, window: str) -> None:
        """Go on in another window."""
        self._post("window", {"handle": window})

    def renew(self) -> None:
        """Go on as a browser that has never been anywhere: in a new window, without what pages have left.

        Only what it has downloaded stays in its cache.
        """
        before = self.windows
        new = self._post("window/new", {"type": "tab"})["handle"]
        for window in before:
            self.look_at(window)
            self.close_window()
        self.look_at(new)
        self.devtools("Network.clearBrowserCookies")
        self.devtools("Storage.clearDataForOrigin", origin="*", storageTypes="all")
        self.devtools("Browser.resetPermissions")
        for kind in ("browser", "performance"):
            self._post("se/log", {"type": kind})

    def rest(self) -> None:
        """Show an empty page in a single window: a page that nobody looks at takes CPU from other tests."""
        first, *others = self.windows
        for window in others:
            self.look_at(window)
            self.close_window()
        self.look_at(first)
        self.open("about:blank")

    def wait_for_title(self, part: str) -> None:
        self.wait(lambda: part in self.title, f"a page titled {part!r}")

    def wait_for_text(self, part: str) -> None:
        """Wait until a text or a control of that name can be perceived."""
        self.wait(lambda: self.shows(part), f"the text {part!r}")

    def shows(self, part: str) -> bool:
        """Whether a text or a control of that name can be perceived."""
        nodes = [node for node in self.accessibility_tree if not node["ignored"]]
        return any(part in str(node.get("name", {}).get("value", "")) for node in nodes)

    def wait_for_url(self, start: str) -> str:
        self.wait(lambda: self.url.startswith(start), f"an address that begins with {start}")
        return self.url

    def show_as(self, width: int, scheme: Scheme, *, motion: bool = True) -> None:
        """Lay pages out for a width in CSS pixels and for the preferences of the person."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        preferences = {
            "prefers-color-scheme": scheme,
            "prefers-reduced-motion": "no-preference" if motion else "reduce",
        }
        features = [{"name": name, "value": value} for name, value in preferences.items()]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    @property
    def overflow(self) -> float:
        """By how many pixels the page is wider than the window."""
        metrics = self.devtools("Page.getLayoutMetrics")
        return metrics["cssContentSize"]["width"] - metrics["cssLayoutViewport"]["clientWidth"]

    @property
    def console(self) -> list[str]:
        """What the pages complained of since this was last read: errors and warnings, of the browser too."""
        entries = self._post("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    @property
    def requested(self) -> list[str]:
        """The URLs that were requested since this was last read."""
        entries = self._post("se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def devtools(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol."""
        return self._post("goog/cdp/execute", {"cmd": method, "params": parameters})

    def _post(self, path: str, body: Any) -> Any:
        return self._value(self._http.post(f"/session/{self._session}/{path}", json=body))

    @staticmethod
    def _value(response: httpx2.Response) -> Any:
        value = response.json()["value"]
        assert response.is_success, value
        return value

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        """Wait until something is so, but not forever; each look takes CPU, so they become fewer."""
        deadline = time.monotonic() + seconds
        pause = 0.02
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come; {self.windows}, {self.title!r}"
            time.sleep(pause)
            pause = min(1.3 * pause, 0.2)


def _focused(nodes: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The node that has the focus, if it is not the page itself."""
    for node in nodes:
        is_focused = any(
            property_["name"] == "focused" and property_["value"]["value"]
            for property_ in node.get("properties", ())
        )
        if is_focused and node["role"]["value"] != "RootWebArea":
            return node
    return None


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """A window of a new browser with a profile of its own.

    To start one takes more than a second of CPU: tests use that of the fixture `browser`.
    """
    port = free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", "--silent"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with (
            tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile,
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        ):
            _wait_until_ready(http)
            options = {
                "binary": shutil.which("chromium"),
                "args": [*_ARGUMENTS, f"--user-data-dir={profile}"],
            }
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            capabilities = {"capabilities": {"alwaysMatch": wanted}}
            answer = http.post("/session", json=capabilities).json()["value"]
            assert "sessionId" in answer, answer
            try:
                yield Chromium(http, answer["sessionId"])
            finally:
                http.delete(f"/session/{answer['sessionId']}")
    finally:
        driver.terminate()
        driver.wait(PATIENCE)


def _wait_until_ready(http: httpx2.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if http.get("/status").json()["value"]["ready"]:
                return
        assert time.monotonic() < deadline, "chromedriver did not start"
        time.sleep(0.05)
