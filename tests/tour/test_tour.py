"""The tour: its pages match the server, they work without scripts, and they are accessible."""

from __future__ import annotations

import json
import os
import re
from html import unescape
from pathlib import Path
from typing import Any, get_args

import pytest
from django.test import Client as Http

from everything_site.pages import tour
from tests.support import chromium
from tests.support.chromium import Chromium, Scheme
from tests.tour.features import FEATURES
from tests.tour.page import prepare
from tests.tour.recording import deprecation, record, recorded, timeless
from tests.tour.wire import shortened

MISSING = chromium.missing()
SCENES = Path(__file__).parents[2] / "everything_site/workbench/static/workbench/scenes/scenes.json"
NAMES = [feature.name for feature in FEATURES]
HOW = "run python -m tests.tour record, and look at what it changes"
SENTENCE = re.compile(r"[A-Z`].*[.?!]", re.DOTALL)


@pytest.mark.processes
def test_the_recorded_exchanges_are_those_that_the_server_makes_today() -> None:
    now, then = record(), recorded()
    assert list(now) == list(then), HOW
    for name, page in now.items():
        assert timeless(page) == timeless(then[name]), HOW


def test_nothing_of_the_recording_run_is_in_the_pages() -> None:
    for name, page in recorded().items():
        kept = {**page, "run": ""}  # its arguments are Base64, as tokens are
        assert not re.search(r"localhost:|(?<!sha256:)\b[0-9a-f]{32}\b|\beyJ", str(kept)), name


def test_a_page_that_leads_to_a_scene_names_one_and_its_place() -> None:
    scenes = json.loads(SCENES.read_text())
    run = {page["run"] for page in recorded().values() if "scene=" in page["run"]}
    assert run
    for fragment in run:
        where, _, scene = fragment.partition("&scene=")
        place = scenes[scene]["place"]
        assert where == f"#/{place['kind']}/{place['name']}?rev={place['revision']}"


def exchanges(page: dict[str, Any]) -> list[dict[str, Any]]:
    return page["recording"]["exchanges"]


def test_every_recording_is_of_version_1_and_in_the_order_of_its_times() -> None:
    for page in recorded().values():
        assert page["recording"]["version"] == 1
        for position, exchange in enumerate(exchanges(page), start=1):
            assert exchange["id"] == position
            moments = [exchange["at"]]
            if response := exchange["response"]:
                moments += [response["at"], *(event["at"] for event in response["events"])]
            moments.append(exchange["endedAt"])
            assert moments == sorted(moments)


def test_bodies_and_events_are_text_that_can_be_read_again() -> None:
    for page in recorded().values():
        for exchange in exchanges(page):
            response = exchange["response"] or {"body": None, "events": []}
            texts = [
                exchange["request"]["body"],
                response["body"],
                *(e.get("data") for e in response["events"]),
            ]
            for text in texts:
                assert text is None or isinstance(text, str)
                if text and text.startswith(("{", "[")):
                    json.loads(text)


def test_every_step_is_told_in_full_sentences_and_leads_to_its_exchange() -> None:
    for page in recorded().values():
        ids = {exchange["id"] for exchange in exchanges(page)}
        assert {step["exchange"] for step in page["steps"]} == ids
        for says in (page["about"], *(step["says"] for step in page["steps"])):
            assert SENTENCE.fullmatch(says), says


def test_no_page_but_that_of_sessions_spells_the_handshake_out() -> None:
    for name, page in recorded().items():
        opening = [step for step in page["steps"] if step.get("handshake")]
        sessions = sum("initialize" in (one["request"]["body"] or "") for one in exchanges(page))
        is_spelled_out = name.partition("-")[2] in ("session.json", "http-sse.json")
        assert len(opening) == (0 if is_spelled_out else sessions)


def test_the_landing_page_leads_to_pages_of_the_tour_that_exist() -> None:
    text = Http().get("/").content.decode()
    named = re.findall(r'href="/tour/([\w-]+)"', text)
    assert named
    assert set(named) <= set(NAMES)


def test_the_index_leads_to_every_page_in_its_group() -> None:
    text = unescape(Http().get("/tour/").content.decode())
    cards = text[text.index("<main") :]
    assert re.findall(r'<h3><a href="/tour/([\w-]+)"', cards) == NAMES
    positions = [cards.index(f">{name}</h2>") for name, _ in tour.groups()]
    assert positions == sorted(positions)
    assert cards.count("deprecated: ") == sum(len(feature.deprecated) for feature in FEATURES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_its_exchanges_without_scripts_and_with_the_servers_own_address(name: str) -> None:
    page = Http().get(f"/tour/{name}")
    assert page.status_code == 200
    text = page.content.decode()
    assert len(text) < 80_000
    assert not re.search(r"<script(?! (type=\"module\" )?src)|<style| style=\"|\{(QUOTED_)?BASE\}", text)
    assert len(re.findall("<h1", text)) == 1
    made = tour.pages()[name]
    assert text.count('aria-label="Request"') == len(exchanges(made))
    assert f'href="/try{made["run"]}"'.replace("&", "&amp;") in text
    assert page["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("name", NAMES)
def test_the_recording_of_a_page_can_be_fetched_with_the_servers_own_address(name: str) -> None:
    text = Http().get(f"/tour/{name}.json").content.decode()
    fetched = json.loads(text)
    assert fetched["recording"]["version"] == 1
    assert len(fetched["recording"]["exchanges"]) == len(exchanges(tour.pages()[name]))
    assert "{BASE}" not in text


def test_what_a_page_embeds_is_shown_and_not_only_its_base64() -> None:
    content = Http().get("/tour/content").content.decode()
    assert '<img src="data:image/png;base64,' in content
    assert 'data-sound="data:audio/wav;base64,' in content
    apps = Http().get("/tour/apps")
    assert 'data-app="ui://hello-world/app.html"' in apps.content.decode()


def test_only_the_page_with_an_app_may_have_a_frame() -> None:
    policies = {name: Http().get(f"/tour/{name}")["Content-Security-Policy"] for name in NAMES}
    assert [name for name, policy in policies.items() if "frame-src 'self'" in policy] == ["apps"]


def test_the_search_knows_titles_methods_headers_and_sentences() -> None:
    pages = {page["name"]: page for page in Http().get("/tour/search.json").json()["pages"]}
    assert list(pages) == NAMES
    assert (
        "Last-Event-ID" in map(str, pages["resumption"]["headers"])
        or "Last-Event-Id" in pages["resumption"]["headers"]
    )
    assert {"tools/call", "confirm_delete", "elicitation/create"} <= set(pages["elicitation"]["methods"])
    assert any("template" in says for says in pages["resources"]["steps"])


def test_a_page_says_since_when_its_feature_is_deprecated_and_what_to_use_instead() -> None:
    assert any(page["deprecated"] for page in recorded().values())
    for feature in FEATURES:
        text = unescape(Http().get(f"/tour/{feature.name}").content.decode())
        assert ("Deprecated: " in text) is bool(feature.deprecated)
        for name in feature.deprecated:
            said = deprecation(name)
            assert all(said[key] in text for key in ("since", "removal", "instead"))


@pytest.mark.parametrize(
    ("revisions", "badges"),
    [
        ("all", list(tour.REVISIONS)),
        ("since 2025-11-25", ["2025-11-25", "2026-07-28"]),
        ("to 2025-03-26", ["2024-11-05", "2025-03-26"]),
        ("2025-03-26 to 2025-11-25", ["2025-03-26", "2025-06-18", "2025-11-25"]),
        ("2025-03-26", ["2025-03-26"]),
        ("extension, SEP-2663", ["extension", "SEP-2663"]),
    ],
)
def test_revisions_are_spelled_out_as_badges(revisions: str, badges: list[str]) -> None:
    assert tour.revision_badges(revisions) == badges


def test_the_landing_page_sends_nobody_to_the_old_transport_first() -> None:
    text = Http().get("/").content.decode()
    assert text.index("http://localhost:3232/mcp") < text.index("http://localhost:3232/sse")


def test_the_sign_in_page_names_this_server() -> None:
    assert "http://localhost:3232/.well-known/oauth-protected-resource/mcp" in (
        Http().get("/tour/sign-in").content.decode()
    )


@pytest.mark.parametrize("path", ["/tour/no-such-feature", "/tour/..%2fsettings", "/tour/no-such.json"])
def test_there_are_no_other_pages(path: str) -> None:
    assert Http().get(path).status_code == 404


def test_long_lists_and_texts_are_cut_where_it_is_marked_but_pictures_are_whole() -> None:
    assert shortened({"tools": [{}, {}, {}, {}]}) == {"tools": [{}, {}, "…"]}
    assert shortened({"text": "x" * 1000})["text"].endswith("…")
    assert shortened({"scopes": ["a", "b", "c", "d"]}) == {"scopes": ["a", "b", "c", "d"]}
    assert shortened({"data": "x" * 1000}) == {"data": "x" * 1000}


def test_a_fragment_prepares_arguments_that_can_be_read_back() -> None:
    assert prepare("tools/add", "2026-07-28", a=2) == "#/tools/add?rev=2026-07-28&args=eyJhIjoyfQ"
    assert prepare("tasks", "2026-07-28") == "#/tasks?rev=2026-07-28"


@pytest.mark.browser
@pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
def test_the_tour_fits_a_phone_and_a_desktop_light_and_dark(live_server: object, browser: Chromium) -> None:
    for name in ("", "tour/", "tour/sign-in", "tour/tasks"):
        browser.open(f"{live_server}/{name}")
        for width in (1200, 320):
            for scheme in get_args(Scheme):
                browser.show_as(width, scheme)
                assert browser.overflow <= 0, f"/{name} is too wide at {width} pixels"
                if folder := os.environ.get("SCREENSHOTS"):
                    file = f"{name.replace('/', '-') or 'landing'}-{width}-{scheme}.png"
                    (Path(folder) / file).write_bytes(browser.picture())


@pytest.mark.browser
@pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
def test_the_wire_beside_a_page_follows_the_step_that_a_key_chooses(
    live_server: object, browser: Chromium
) -> None:
    browser.show_as(1280, "light")
    browser.open(f"{live_server}/tour/resumption")
    browser.wait_for_text("Session opened")
    assert not browser.shows("Last-Event-ID")
    browser.press("n", "n")
    browser.wait_for_text("Last-Event-ID")
