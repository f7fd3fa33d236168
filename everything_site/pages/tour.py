"""The tour: its pages, which `python -m tests.tour record` recorded from a run of this server."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import quote

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

Page = dict[str, Any]
Exchange = dict[str, Any]

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
MAX_TEXT = 160
"""Longer texts within JSON are truncated; the recording has them in full."""


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "tour_index.html", {"groups": groups()})


@require_safe
def page(request: HttpRequest, feature: str) -> HttpResponseBase:
    found = _page(feature)
    context = {
        "page": found,
        "groups": groups(),
        "revisions": revision_badges(found["revisions"]),
        "auth_server_url": settings.AUTH_SERVER_URL,
        "is_separate": settings.IS_SEPARATE,
        "has_app": has_app(found),
    }

    def show(request: HttpRequest) -> HttpResponseBase:
        return render(request, "tour.html", context)

    with_frame = csp_update({"frame-src": [SELF]})  # of an app: `/try/frame`, which has a policy of its own
    return (with_frame(show) if context["has_app"] else show)(request)


@require_safe
@cache_control(public=True, max_age=300)
def recording(request: HttpRequest, feature: str) -> HttpResponse:
    """The recording of a page as JSON, which its scripts show as wire and as diagram."""
    found = _page(feature)
    return JsonResponse({"steps": found["plain_steps"], "recording": found["recording"]})


@require_safe
@cache_control(public=True, max_age=300)
def search(request: HttpRequest) -> HttpResponse:
    """What the search of the tour looks through: the texts, methods and headers of each page."""
    return JsonResponse({"pages": [_searchable(one) for one in pages().values()]})


@cache
def pages() -> dict[str, Page]:
    """The pages by name and in order, with what the templates show of them."""
    found: dict[str, Page] = {}
    before: Page | None = None
    for path in sorted((settings.TEMPLATES_DIR / "tour").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        text = text.replace("{BASE}", settings.BASE_URI)
        text = text.replace("{QUOTED_BASE}", quote(settings.BASE_URI, safe=""))
        made: Page = json.loads(text)
        made |= {"name": path.stem.partition("-")[2], "before": before, "plain_steps": made["steps"]}
        made["steps"] = list(_shown_steps(made))
        if before is not None:
            before["after"] = made
        found[made["name"]] = before = made
    return found


def has_app(made: Page) -> bool:
    return any(one["kind"] == "app" for step in made["steps"] for one in step["media"])


def groups() -> list[tuple[str, list[Page]]]:
    """The pages by group, in order."""
    return [(name, list(those)) for name, those in groupby(pages().values(), lambda one: one["group"])]


def revision_badges(revisions: str) -> list[str]:
    """The revisions that "since 2025-03-26", "2025-03-26 to 2025-11-25", "all" and so on stand for."""
    if revisions.startswith("extension"):
        return revisions.split(", ")
    named = [revision for revision in REVISIONS if revision in revisions]
    if revisions == "all":
        return list(REVISIONS)
    if revisions.startswith("since"):
        return list(REVISIONS[REVISIONS.index(named[0]) :])
    if revisions.startswith("to"):
        return list(REVISIONS[: REVISIONS.index(named[0]) + 1])
    return list(REVISIONS[REVISIONS.index(named[0]) : REVISIONS.index(named[-1]) + 1])


def _page(name: str) -> Page:
    found = pages().get(name)
    if found is None:
        raise Http404
    return found


def _shown_steps(made: Page) -> list[dict[str, Any]]:
    """The steps with their exchanges as text. The steps of a handshake become one."""
    exchanges: dict[int, Exchange] = {one["id"]: one for one in made["recording"]["exchanges"]}
    shown: list[dict[str, Any]] = []
    for position, step in enumerate(made["steps"]):
        exchange = exchanges[step["exchange"]]
        first = step.get("event", 0)
        later = [
            one.get("event", 0) for one in made["steps"][position + 1 :] if one["exchange"] == exchange["id"]
        ]
        events = ((exchange["response"] or {}).get("events") or [])[first : later[0] if later else None]
        parts = {
            "request": "" if "event" in step else request_text(exchange["request"]),
            "response": response_text(exchange["response"], events, has_head="event" not in step),
            "is_error": (exchange["response"] or {}).get("status", 200) >= 400,
        }
        entry = {**step, "exchanges": [parts], "media": list(media(exchange, events))}
        if step.get("handshake") and shown and shown[-1].get("handshake"):
            shown[-1]["exchanges"].append(parts)
        else:
            shown.append(entry)
    return shown


def request_text(request: dict[str, Any]) -> str:
    """A request for reading: its line, its headers, its body laid out."""
    lines = [f"{request['method']} {request['path']}", *_headers(request["headers"])]
    return "\n".join([*lines, *(["", _body(request["body"])] if request["body"] else [])])


def response_text(response: dict[str, Any] | None, events: list[dict[str, Any]], *, has_head: bool) -> str:
    """A response for reading: its head, and its body or some of its events laid out."""
    if response is None:
        return ""
    parts: list[str] = []
    if has_head:
        status = HTTPStatus(response["status"])
        parts.append("\n".join([f"{status.value} {status.phrase}", *_headers(response["headers"])]))
    if response["body"]:
        parts.append(_body(response["body"]))
    return "\n\n".join([*parts, *(_event(event) for event in events)])


def _headers(headers: list[list[str]]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


def _event(event: dict[str, Any]) -> str:
    lines = [f"{name}: {event[name]}" for name in ("id", "event", "retry") if name in event]
    if "data" in event:
        lines.append(f"data: {_body(event['data'])}".rstrip())
    return "\n".join(lines)


def _body(text: str) -> str:
    if not text.startswith(("{", "[")):
        return text.replace("&", "\n&")
    return json.dumps(_shortened(json.loads(text)), indent=2, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    match value:
        case dict():
            return {key: _shortened(item) for key, item in value.items()}
        case list():
            return [_shortened(item) for item in value]
        case str() if len(value) > MAX_TEXT:
            return value[:60] + "…"
    return value


def media(exchange: Exchange, events: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Pictures, sounds and apps in what came back: `kind`, `type` and `url`, or `uri` of an app."""
    response = exchange["response"] or {}
    found: dict[str, dict[str, str]] = {}
    for text in (response.get("body"), *(event.get("data") for event in events)):
        if text and text.startswith(("{", "[")):
            for one in _media_in(json.loads(text)):
                found[one.get("url", "") or one["uri"]] = one
    return list(found.values())


def _media_in(value: Any) -> list[dict[str, str]]:
    match value:
        case {"type": "image" | "audio" as kind, "data": str(data), "mimeType": str(mime)}:
            return [{"kind": kind, "type": mime, "url": f"data:{mime};base64,{data}"}]
        case {"uri": str(uri), "text": str()} if uri.startswith("ui://"):
            return [{"kind": "app", "uri": uri}]
        case dict():
            return [one for item in value.values() for one in _media_in(item)]
        case list():
            return [one for item in value for one in _media_in(item)]
    return []


def _searchable(made: Page) -> Page:
    methods: dict[str, None] = {}
    headers: dict[str, None] = {}
    for exchange in made["recording"]["exchanges"]:
        response = exchange["response"] or {"headers": [], "events": [], "body": None}
        texts = [exchange["request"]["body"], *(event.get("data") for event in response["events"])]
        for text in texts:
            methods |= dict.fromkeys(_methods(text))
        headers |= dict.fromkeys(name for name, _ in exchange["request"]["headers"] + response["headers"])
    return {
        "name": made["name"],
        "title": made["title"],
        "group": made["group"],
        "about": made["about"],
        "revisions": made["revisions"],
        "steps": [step["says"] for step in made["plain_steps"] if not step.get("handshake")],
        "methods": list(methods),
        "headers": list(headers),
    }


def _methods(text: str | None) -> list[str]:
    if not text or not text.startswith(("{", "[")):
        return []
    document = json.loads(text)
    messages = document if isinstance(document, list) else [document]
    named = [message["method"] for message in messages if "method" in message]
    tools = [message.get("params", {}).get("name") for message in messages]
    return [*named, *(tool for tool in tools if tool)]
