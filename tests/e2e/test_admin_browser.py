"""Chromium walks through the admin, using only the keyboard: view, disable, enable, end and delete.

With SCREENSHOTS=FOLDER in the environment, screenshots of the pages are stored there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import httpx2
import pytest

from tests.support import chromium
from tests.support.chromium import ENTER, TAB, Chromium, Scheme
from tests.support.client import sign_in
from tests.support.deployment import Deployment
from tests.support.wire import INITIALIZE, JSON_OR_STREAM

if (MISSING := chromium.missing()) and os.environ.get("CI"):
    raise RuntimeError(MISSING)

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

LOOKS: list[tuple[int, Scheme]] = [(1280, "dark"), (390, "light")]
SPACE = " "

OPERATOR = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("{name}", password="{password}")
"""
FIND = """
from oauth_app.models import AccessToken
print(AccessToken.objects.get(user__username="{person}").application_id)
"""


def shell(site: Deployment, code: str) -> str:
    return site.installation.run("shell", "--no-imports", "-c", code).stdout.strip()


async def open_session(site: Deployment, token: str) -> httpx2.Response:
    headers = JSON_OR_STREAM | {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(timeout=20) as http:
        return await http.post(site.mcp_url, json=INITIALIZE, headers=headers)


def test_an_operator_disables_enables_ends_and_deletes_with_only_the_keyboard(
    browser: Chromium, integrated: Deployment
) -> None:
    site = integrated
    name, person = f"olga-{secrets.token_hex(3)}", f"walter-{secrets.token_hex(3)}"
    password = secrets.token_urlsafe()
    shell(site, OPERATOR.format(name=name, password=password))
    token = asyncio.run(sign_in(site.mcp_url, person))
    assert asyncio.run(open_session(site, token)).status_code == 200
    client = shell(site, FIND.format(person=person))
    admin = f"{site.auth_url}/admin"
    change = f"{admin}/oauth_app/client/{client}/change/"
    sessions = f"{admin}/mcp_app/livesession/?user={person}"

    def look(page: str) -> None:
        for width, scheme in LOOKS:
            browser.show_as(width, scheme)
            assert browser.overflow <= 0, f"{page} is too wide at {width} pixels"
            if folder := os.environ.get("SCREENSHOTS"):
                Path(folder).mkdir(parents=True, exist_ok=True)
                (Path(folder) / f"admin-{page}-{width}-{scheme}.png").write_bytes(browser.picture())
        browser.show_as(*LOOKS[0])

    def press(control: str, key: str = ENTER) -> None:
        browser.tab_to("Skip to main content")
        browser.press(ENTER)
        browser.tab_to(control)
        browser.press(key)

    browser.open(f"{admin}/")
    browser.wait_for_title("Log in | Everything Server")
    browser.press(*name, TAB, *password, ENTER)
    browser.wait_for_title("Admin | Everything Server")
    look("index")

    browser.open(sessions)
    look("sessions")
    (choice,) = browser.names("checkbox")
    press(choice, SPACE)
    browser.tab_to("End the selected sessions…")
    browser.press(ENTER)
    browser.wait_for_title("End 1 session?")
    look("end")
    press("End")
    browser.wait_for_title("Live sessions")
    assert browser.names("checkbox") == []
    assert asyncio.run(open_session(site, token)).status_code == 200, "the client keeps its access"

    browser.open(change)
    look("client")
    press("Disable…")
    browser.wait_for_title("Disable 1 client?")
    look("disable")
    press("Disable")
    browser.wait_for_title("Clients")
    assert asyncio.run(open_session(site, token)).status_code == 401
    browser.open(sessions)
    assert browser.names("checkbox") == [], "its session has ended"

    browser.open(change)
    press("Enable")
    browser.wait_for_title("Clients")
    look("clients")
    browser.open(change)
    assert "Disable…" in browser.names("button")

    browser.open(change.replace("/change/", "/delete/"))
    look("delete")
    press("Yes, I\u2019m sure")
    browser.wait_for_title("Clients")
    browser.open(change)
    browser.wait_for_title("Admin")  # where Django goes if there is no such row
