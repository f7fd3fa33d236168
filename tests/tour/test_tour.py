"""The tour: its pages match the server, and they are accessible."""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

import pytest
from django.test import Client as Http

from everything_site import views
from tests.support import chromium
from tests.tour.features import FEATURES
from tests.tour.recording import deprecation, record, recorded
from tests.tour.wire import laid_out

MISSING = chromium.missing()
NAMES = [feature.name for feature in FEATURES]
HOW = "run python -m tests.tour record, and look at what it changes"


@pytest.mark.processes
def test_the_recorded_exchanges_are_those_that_the_server_makes_today() -> None:
    now, then = record(), recorded()
    assert list(now) == list(then), HOW
    for name, page in now.items():
        assert page == then[name], HOW


def test_nothing_of_the_recording_run_is_in_the_pages() -> None:
    for name, page in recorded().items():
        assert not re.search(r"localhost:|(?<!sha256:)\b[0-9a-f]{32}\b|eyJ", str(page)), name


def test_every_exchange_says_what_it_is_and_shows_something() -> None:
    for page in recorded().values():
        assert page["title"]
        assert page["about"]
        assert page["exchanges"]
        for exchange in page["exchanges"]:
            assert exchange["says"]
            assert exchange["request"] or exchange["response"]


def test_the_landing_page_leads_to_pages_of_the_tour_that_exist() -> None:
    text = Http().get("/").content.decode()
    assert 'href="/tour/"' in text
    linked = re.findall(r'href="/tour/([\w-]+)"', text)
    assert len(linked) > 3
    assert set(linked) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_its_exchanges_without_scripts_and_with_the_servers_own_address(name: str) -> None:
    page = Http().get(f"/tour/{name}")
    assert page.status_code == 200
    text = page.content.decode()
    assert len(text) < 60_000
    assert not re.search(r'<script(?! src="/static/)|<style| style="|\{(QUOTED_)?BASE\}', text)
    assert len(re.findall("<h1", text)) == 1
    assert text.count('aria-label="Request"') == sum(
        bool(exchange["request"]) for exchange in views.tour_pages()[name]["exchanges"]
    )
    assert page["X-Frame-Options"] == "DENY"


def test_a_page_says_since_when_its_feature_is_deprecated_and_what_to_use_instead() -> None:
    assert any(page["deprecated"] for page in recorded().values())
    for feature in FEATURES:
        text = unescape(Http().get(f"/tour/{feature.name}").content.decode())
        assert ("Deprecated." in text) is bool(feature.deprecated)
        for name in feature.deprecated:
            said = deprecation(name)
            assert all(said[key] in text for key in ("since", "removal", "instead"))


def test_the_landing_page_sends_nobody_to_the_old_transport_first() -> None:
    text = Http().get("/").content.decode()
    assert text.index("http://localhost:3232/mcp") < text.index("http://localhost:3232/sse")


def test_the_sign_in_page_names_this_server() -> None:
    assert "http://localhost:3232/.well-known/oauth-protected-resource/mcp" in (
        Http().get("/tour/sign-in").content.decode()
    )


@pytest.mark.parametrize("path", ["/tour/no-such-feature", "/tour/..%2fsettings", "/tour/"])
def test_there_are_no_other_pages(path: str) -> None:
    assert Http().get(path).status_code == 404


def test_long_lists_and_texts_are_cut_where_it_is_marked() -> None:
    assert laid_out([{}, {}, {}, {}]).count("{}") == 2
    assert "…" in laid_out("x" * 1000)
    assert "…" not in laid_out({"scopes": ["a", "b", "c", "d"]})


@pytest.mark.browser
@pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
def test_the_tour_fits_a_phone_and_a_desktop_light_and_dark(live_server: object) -> None:
    url = str(live_server)
    with chromium.chromium() as browser:
        for name in ("", "tour/sign-in", "tour/tasks"):
            browser.open(f"{url}/{name}")
            for width in (1200, 320):
                for scheme in ("light", "dark"):
                    browser.show_as(width, scheme)
                    assert browser.overflow <= 0, f"/{name} is too wide at {width} pixels"
                    if folder := os.environ.get("SCREENSHOTS"):
                        file = f"{name.replace('/', '-') or 'landing'}-{width}-{scheme}.png"
                        (Path(folder) / file).write_bytes(browser.picture())
