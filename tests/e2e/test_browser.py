"""Chromium goes from a client's authorization URL to the client's redirect, using only the keyboard.

With SCREENSHOTS=FOLDER in the environment, screenshots of the pages are stored there.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.oauth_app.flow import challenge
from tests.support import chromium
from tests.support.chromium import ENTER, Chromium, Scheme
from tests.support.client import sign_in
from tests.support.deployment import Deployment

if (MISSING := chromium.missing()) and os.environ.get("CI"):
    raise RuntimeError(MISSING)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

LOOKS: list[tuple[int, Scheme]] = [
    (width, scheme) for width in (1200, 390, 320) for scheme in get_args(Scheme)
]


BACK = b"""<title>Back at the client</title>
<script>if (window.opener) { window.opener.postMessage(location.search, "*"); window.close(); }</script>"""
"""Where a client waits for its person. In a popup it hands the answer to the page that opened it."""

OPENER = b"""<title>A client in a browser</title>
<button>Connect</button>
<script>
  document.querySelector("button").onclick = () => {
    for (const url of location.hash.slice(1).split("|")) open(url, "_blank", "popup");
  };
  const codes = new Set();
  onmessage = (event) => {
    codes.add(new URLSearchParams(event.data).get("code"));
    document.title = `${codes.size} codes`;
  };
</script>"""
"""A client that is a web page: it opens every authorization URL of its hash in a popup, all at once."""


@pytest.fixture
def callback() -> Iterator[str]:
    """Where a client on this computer waits for its user to return."""

    class Client(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(BACK if self.path.startswith("/callback") else OPENER)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Client)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/callback"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def authorization_url(site: Deployment, callback: str) -> str:
    metadata = {
        "client_name": "Ada's MCP client",
        "redirect_uris": [callback],
        "token_endpoint_auth_method": "none",
    }
    answer = httpx2.post(f"{site.auth_url}/register", json=metadata, timeout=20)
    parameters = {
        "response_type": "code",
        "client_id": answer.json()["client_id"],
        "redirect_uri": callback,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "state": "a-state-of-the-client",
        "resource": site.mcp_url,
    }
    return f"{site.auth_url}/authorize?{urlencode(parameters)}"


@pytest.mark.parametrize(
    ("site", "javascript"),
    [
        ("integrated", "with JavaScript"),
        ("integrated", "without JavaScript"),
        ("separate", "with JavaScript"),
    ],
    indirect=["site"],
)
def test_a_user_can_sign_in_and_consent_with_only_the_keyboard(
    browser: Chromium, authorization_url: str, callback: str, javascript: str
) -> None:
    if javascript == "without JavaScript":
        browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>")
    assert browser.title == ("on" if javascript == "with JavaScript" else "off")

    browser.open(authorization_url)
    browser.wait_for_title("Sign in")
    browser.tab_to("alice")
    browser.press(ENTER)
    browser.wait_for_title("Allow access?")
    assert browser.names("heading")[0] == "Ada's MCP client wants to use your account"
    browser.tab_to("Allow")
    browser.press(ENTER)
    came_back = parse_qs(urlsplit(browser.wait_for_url(callback)).query)
    assert came_back["code"]
    assert came_back["state"] == ["a-state-of-the-client"]
    assert browser.title == "Back at the client"


def test_a_web_page_gets_its_codes_from_popups_that_sign_in_at_the_same_moment(
    browser: Chromium, authorization_url: str, callback: str
) -> None:
    client_page = callback.replace("/callback", "/")
    browser.open(f"{client_page}#{authorization_url}|{authorization_url}")
    (client,) = browser.windows
    browser.tab_to("Connect")
    browser.press(ENTER)
    opened = [window for window in browser.wait_for_windows(3) if window != client]
    for window in opened:  # all are asked who they are before any of them answers
        browser.look_at(window)
        browser.wait_for_title("Sign in")
    for window in opened:
        browser.look_at(window)
        browser.tab_to("alice")
        browser.press(ENTER)
        browser.wait_for_title("Allow access?")
    for window in opened:
        browser.look_at(window)
        browser.tab_to("Allow")
        browser.press(ENTER)
    browser.wait_for_windows(1)  # each has handed its code over and closed itself
    browser.look_at(client)
    browser.wait_for_title("2 codes")


def test_a_user_enters_a_name_and_denies(browser: Chromium, authorization_url: str, callback: str) -> None:
    browser.open(authorization_url)
    browser.wait_for_title("Sign in")
    browser.tab_to("Another name")
    browser.press(*"grace", ENTER)
    browser.wait_for_title("Allow access?")
    browser.tab_to("Deny")
    browser.press(ENTER)
    came_back = parse_qs(urlsplit(browser.wait_for_url(callback)).query)
    assert came_back["error"] == ["access_denied"]
    assert "code" not in came_back


@pytest.mark.parametrize("site", ["separate"], indirect=True)  # which has one page more
def test_the_pages_fit_from_a_narrow_phone_to_a_desktop(
    browser: Chromium, site: Deployment, authorization_url: str, callback: str
) -> None:
    def look(name: str) -> None:
        for width, scheme in LOOKS:
            browser.show_as(width, scheme)
            assert browser.overflow <= 0, f"{name} is too wide at {width} pixels"
            if folder := os.environ.get("SCREENSHOTS"):
                Path(folder).mkdir(parents=True, exist_ok=True)
                (Path(folder) / f"{name}-{width}-{scheme}.png").write_bytes(browser.picture())

    assert httpx2.get(f"{site.url}/static/style.css").is_success, "or there would be little to look at"
    browser.open(f"{site.url}/")
    look("landing")
    browser.open(f"{site.url}/tour/sign-in")
    assert "Sign" in browser.title
    look("tour")
    browser.open(f"{site.auth_url}/")
    look("authorization-server")
    browser.open(authorization_url)
    browser.wait_for_title("Sign in")
    look("sign-in")
    browser.tab_to("alice")
    browser.press(ENTER)
    browser.wait_for_title("Allow access?")
    look("consent")
    browser.tab_to("Allow")
    browser.press(ENTER)
    browser.wait_for_url(callback)
    asyncio.run(sign_in(site.mcp_url, "alice"))
    browser.open(f"{site.auth_url}/connections")
    browser.wait_for_title("Connected")
    assert "Test client" in browser.names("heading")
    look("connections")
    browser.open(f"{site.auth_url}/admin/")
    browser.wait_for_title("Log in")
    look("admin")
    browser.open(authorization_url.replace("client_id=", "client_id=unknown-"))
    look("error")
