"""axe-core finds nothing on any page, in both themes, on a phone, on a screen, and at 400 % zoom."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx2
import pytest

from tests.oauth_app.flow import challenge
from tests.support import axe, chromium
from tests.support.browser import Browser
from tests.support.chromium import ENTER, Chromium
from tests.support.client import REDIRECT_URI, sign_in
from tests.support.deployment import Deployment
from tests.support.wire import INITIALIZE, JSON_OR_STREAM
from tests.workbench.operators import operators_cookies

MISSING = chromium.missing() or axe.missing()

pytestmark = [
    pytest.mark.processes,
    pytest.mark.browser,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

CONNECTED, IDLE, OPERATOR = "a person with an app", "a person without apps", "an operator"


@dataclass
class World:
    """A server with an app, connected by one person, and a browser without cookies.

    Args:
        sessions: The cookies of those who are signed in, by who they are.
    """

    site: Deployment
    browser: Chromium
    sessions: dict[str, dict[str, str]]
    connected: str

    def open(self, path: str, who: str = "nobody", press: str = "") -> None:
        """Open a page as this person, and press a control on it."""
        self.browser.devtools("Network.clearBrowserCookies")
        for name, value in self.sessions.get(who, {}).items():
            self.browser.devtools("Network.setCookie", name=name, value=value, url=self.site.auth_url)
        self.browser.show_as(1280, "light", motion=False)
        self.browser.open(self.site.auth_url + path)
        self.browser.wait(lambda: self.browser.names("main"), f"the page of {path} is built")
        if press:
            self.browser.tab_to(press)
            self.browser.press(ENTER)

    def authorize(self, **parameters: str) -> str:
        """The path of an authorization request of the app that is connected."""
        return "/authorize?" + urlencode(
            {
                "response_type": "code",
                "client_id": self.connected,
                "redirect_uri": REDIRECT_URI,
                "code_challenge": challenge(),
                "code_challenge_method": "S256",
                "resource": self.site.mcp_url,
                **parameters,
            }
        )


async def _cookies_of_person(url: str, name: str) -> dict[str, str]:
    async with Browser(name) as browser:
        await browser.sign_in(f"{url}/connections")
        return browser.cookies


async def _connect(site: Deployment, name: str) -> str:
    """Connect an app for this person and open a session; returns the id of the app."""
    token = await sign_in(site.mcp_url, name)
    headers = JSON_OR_STREAM | {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(timeout=20) as http:
        assert (await http.post(site.mcp_url, json=INITIALIZE, headers=headers)).is_success
    script = f"""
from oauth_app.models import AccessToken
print(AccessToken.objects.get(user__username="{name}").application.client_id)
"""
    return site.installation.run("shell", "--no-imports", "-c", script).stdout.strip()


@pytest.fixture(scope="module")
def world(integrated: Deployment, one_browser: Chromium) -> Iterator[World]:
    connected, idle = (f"walter-{secrets.token_hex(3)}" for _ in range(2))
    sessions = {
        CONNECTED: asyncio.run(_cookies_of_person(integrated.auth_url, connected)),
        IDLE: asyncio.run(_cookies_of_person(integrated.auth_url, idle)),
        OPERATOR: operators_cookies(integrated.auth_url, integrated.installation.run),
    }
    one_browser.renew()
    yield World(integrated, one_browser, sessions, asyncio.run(_connect(integrated, connected)))
    one_browser.rest()


STATES: dict[str, Callable[[World], None]] = {
    "landing": lambda world: world.open("/"),
    "landing, another tab": lambda world: world.open("/#connect-python"),
    "landing, signed in": lambda world: world.open("/", CONNECTED),
    "an endpoint in a browser": lambda world: world.open("/mcp"),
    "documentation": lambda world: world.open("/documentation"),
    "privacy": lambda world: world.open("/privacy"),
    "terms": lambda world: world.open("/terms"),
    "support": lambda world: world.open("/support"),
    "not found": lambda world: world.open("/nowhere"),
    "authorization refused": lambda world: world.open("/authorize?client_id=nobody"),
    "sign-in": lambda world: world.open(world.authorize()),
    "sign-in, a name is missing": lambda world: world.open(world.authorize(), press="Sign in"),
    "sign-in is over": lambda world: world.open("/fakeupstreamauth/callback"),
    "consent": lambda world: world.open(world.authorize(), IDLE),
    "consent, more scopes": lambda world: world.open(world.authorize(scope="mcp mcp:admin"), CONNECTED),
    "connections": lambda world: world.open("/connections", CONNECTED),
    "connections, none": lambda world: world.open("/connections", IDLE),
    "connections, asked": lambda world: world.open(
        "/connections", CONNECTED, press="Remove access… of Test client"
    ),
    "tour": lambda world: world.open("/tour/"),
    "tour page": lambda world: world.open("/tour/tools"),
    "workbench": lambda world: world.open("/try"),
    "a scene": lambda world: world.open("/try#/tools/describe-server?rev=2026-07-28&scene=step-up"),
    "a scene that needs processes": lambda world: world.open("/try#/tools/sampleLLM?scene=answer"),
    "admin sign-in": lambda world: world.open("/admin/login/"),
    "admin": lambda world: world.open("/admin/", OPERATOR),
    "admin, live sessions": lambda world: world.open("/admin/mcp_app/livesession/", OPERATOR),
    "admin, machine room": lambda world: world.open("/admin/room/", OPERATOR),
    "admin, clients": lambda world: world.open("/admin/oauth_app/client/", OPERATOR),
    "admin, a new client": lambda world: world.open("/admin/oauth_app/client/add/", OPERATOR),
    "admin, access tokens": lambda world: world.open("/admin/oauth_app/accesstoken/", OPERATOR),
    "admin, consents": lambda world: world.open("/admin/oauth_app/grant/", OPERATOR),
    "admin, users": lambda world: world.open("/admin/auth/user/", OPERATOR),
}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_and_nothing_is_too_wide(world: World, state: str) -> None:
    STATES[state](world)
    found = axe.faults(world.browser, state)
    assert not found, "\n".join(found)
