"""docs/features.md: each feature has its specification and its test; everything served is listed."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from everything_site.pages.tour import revision_badges
from everything_site.workbench import operators_feed
from mcp_app.access import UNLISTED_KEY
from mcp_app.routing import routes_of
from mcp_app.runtime import Runtime
from tests.docs.markdown import DOCS, code, rows

ROOT = DOCS.parent
REVISIONS = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"}
EXTENSIONS = {"tasks", "skills", "apps"}
FEATURES = [row for row in rows("features.md", "Feature", "Revisions") if "Proved by" in row]
NOT_SHOWN = [row for row in rows("features.md", "Feature", "Revisions") if "Why not" in row]
TRY = re.compile(r"#/(\w+)(?:/([^?/]+))?(?:\?rev=(\d{4}-\d\d-\d\d)(?:&args=([\w-]+))?(?:&scene=([\w-]+))?)?")
SCENES = json.loads((ROOT / "everything_site/workbench/static/workbench/scenes/scenes.json").read_text())
PLACE = ("kind", "name", "revision")
NUMBERED = re.compile(r"test://static/resource/\d+")
METHOD = re.compile(
    r"initialize|ping|(server|tools|resources|prompts|logging|subscriptions|tasks|skills)/[a-zA-Z/]+"
)
PAGES_BESIDE = {"simulations"}
"""Pages of the tour that show what no revision of the protocol has."""
DJANGO_URLS = (
    "everything_site.urls.integrated",
    "everything_site.urls.authorization_server",
    "everything_site.urls.resource_server",
)


def documented(kind: str) -> dict[str, str]:
    """What a table lists, and when it is served."""
    return {code(row[kind])[0]: row.get("Served", "") for row in rows("features.md", kind)}


@pytest.fixture(params=["always", "fixture"])
def server(request: pytest.FixtureRequest, settings: Any) -> MCPServer[Any]:
    """The server by default, and with the fixtures of the conformance suite."""
    settings.CONFORMANCE_FIXTURES = request.param == "fixture"
    return Runtime().server


@pytest.fixture
def served(server: MCPServer[Any], settings: Any) -> set[str]:
    """The values of the column "Served" that hold."""
    return {"always", "fixture"} if settings.CONFORMANCE_FIXTURES else {"always"}


def chosen(kind: str, served: set[str]) -> set[str]:
    return {name for name, when in documented(kind).items() if when in served}


async def test_every_tool_is_documented_and_no_other(server: MCPServer[Any], served: set[str]) -> None:
    async with Client(server) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} <= chosen("Tool", served)
    listed = {tool.name for tool in await server.list_tools() if UNLISTED_KEY not in (tool.meta or {})}
    assert listed == chosen("Tool", served)


async def test_every_resource_is_documented_and_no_other(server: MCPServer[Any], served: set[str]) -> None:
    uris = {str(resource.uri) for resource in await server.list_resources()}
    numbered = {uri for uri in uris if NUMBERED.fullmatch(uri)}
    assert len(numbered) == 100
    assert uris - numbered | {"test://static/resource/1"} == chosen("Resource", served)


async def test_every_template_is_documented_and_no_other(server: MCPServer[Any], served: set[str]) -> None:
    async with Client(server) as client:
        listed = await client.list_resource_templates()
    templates = {template.uri_template for template in listed.resource_templates}
    assert templates == chosen("Template", served)


async def test_every_prompt_is_documented_with_its_arguments(
    server: MCPServer[Any], served: set[str]
) -> None:
    prompts = {prompt.name: prompt for prompt in await server.list_prompts()}
    assert set(prompts) == chosen("Prompt", served)
    for row in rows("features.md", "Prompt"):
        if row["Served"] in served:
            arguments = prompts[code(row["Prompt"])[0]].arguments or []
            assert code(row["Arguments"]) == [argument.name for argument in arguments]


def django_endpoints(patterns: list[Any], start: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        route = route.replace("(?:/|$)", "/")
        route = re.sub(r"\(\?:/mcp(\|/sse)?\)\?|/\?|[\^$\\]", "", route)
        if isinstance(pattern, URLResolver) and start + route != "/admin/":
            yield from django_endpoints(pattern.url_patterns, start + route)
        else:
            assert isinstance(pattern, URLPattern | URLResolver)
            yield start + route


@pytest.fixture
def asgi_endpoints(settings: Any) -> set[str]:
    """What is served in front of Django, by default."""
    settings.MCP_METRICS_PATH = "/metrics"  # off in tests
    routes = routes_of(Runtime(), {}, operators_feed.PATH_OF_ONE)
    return {path.removesuffix("/") for path in routes} | {operators_feed.PATH}


def test_every_endpoint_is_documented_and_no_other(asgi_endpoints: set[str]) -> None:
    assert len(asgi_endpoints) > 5
    answering = asgi_endpoints
    for name in DJANGO_URLS:
        answering = answering | set(django_endpoints(get_resolver(name).url_patterns))
    assert {code(row["Endpoint"])[0] for row in rows("features.md", "Endpoint")} == answering


def test_the_module_that_puts_the_site_together_names_every_endpoint_in_front_of_django(
    asgi_endpoints: set[str],
) -> None:
    described = ast.get_docstring(ast.parse((ROOT / "everything_site/asgi.py").read_text())) or ""
    assert set(re.findall(r"(?<=[\n ])/[\w./-]+", described)) == asgi_endpoints


def test_every_named_test_exists() -> None:
    scenarios = rows("features.md", "Scenario")
    assert scenarios
    named = [name for row in FEATURES + scenarios for name in code(row["Proved by"])]
    assert all(len(code(row["Proved by"])) == 1 for row in FEATURES)
    for name in named:
        path, _, function = name.partition("::")
        module = ast.parse((ROOT / "tests" / path).read_text())
        functions = {
            node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert function.startswith("test_"), name
        assert function in functions, name


def test_what_shows_a_feature_exists() -> None:
    kinds = ("Tool", "Resource", "Template", "Prompt", "Endpoint")
    existing = {name for kind in kinds for name in documented(kind)}
    for row in FEATURES:
        shown = code(row["Shown by"])
        assert shown, row["Feature"]
        assert {name for name in shown if not METHOD.fullmatch(name)} <= existing, row["Feature"]


def test_every_tool_template_and_prompt_that_is_always_served_shows_a_feature() -> None:
    shown = {name for row in FEATURES for name in code(row["Shown by"])}
    for kind in ("Tool", "Template", "Prompt"):
        always = {name for name, when in documented(kind).items() if when == "always"}
        assert always - shown <= {"toggle-subscriber-updates"}, kind


def test_every_method_of_an_extension_shows_a_feature() -> None:
    runtime = Runtime()
    assert runtime.server
    methods = {binding.method for each in runtime.engine.extensions for binding in each.methods()}
    assert len(methods) > 5
    assert methods <= {name for row in FEATURES for name in code(row["Shown by"])}


def test_every_feature_names_its_revisions_and_its_place_in_the_specification() -> None:
    named: set[str] = set()
    for row in FEATURES + NOT_SHOWN:
        words = set(re.findall(r"[\w-]+", row["Revisions"]))
        assert words - {"all", "since", "to"} <= REVISIONS | EXTENSIONS, row["Feature"]
        named |= words
        (place,) = code(row["Specification"])
        assert re.fullmatch(r"SEP-\d+|(\d{4}-\d\d-\d\d)/[a-z/-]+", place), row["Feature"]
        assert place.startswith("SEP-") or place[:10] in REVISIONS, row["Feature"]
    assert named >= REVISIONS | EXTENSIONS


def test_every_deprecated_feature_is_marked_where_it_is_shown() -> None:
    deprecated = {row["Deprecated"].split(" of ")[0].strip("`") for row in rows("features.md", "Deprecated")}
    marked = {row["Feature"] for row in FEATURES if row["Feature"].endswith("(deprecated)")}
    kinds = {
        "Roots": "Roots",
        "Sampling": "Sampling",
        "Log messages": "Logging",
        "Dynamic registration": "Dynamic client registration",
        "HTTP+SSE": "HTTP+SSE",
    }
    for feature in marked:
        assert any(feature.startswith(start) for start in kinds), feature
    for start, name in kinds.items():
        assert name in deprecated
        assert any(feature.startswith(start) for feature in marked), name


def test_what_is_not_shown_has_a_reason() -> None:
    assert NOT_SHOWN
    assert all(row["Why not"].endswith(".") for row in NOT_SHOWN)


def test_every_feature_has_its_page_of_the_tour_or_a_reason_why_not() -> None:
    pages = {path.stem.partition("-")[2] for path in (ROOT / "templates" / "tour").glob("*.json")}
    reasons = {row["Word"] for row in rows("features.md", "Word", "Why there is no page")}
    shown = {row["Feature"]: row["Tour"] for row in FEATURES}
    named = {page for cell in shown.values() for page in code(cell)}
    assert {row: cell for row, cell in shown.items() if not code(cell) and cell not in reasons} == {}
    assert named <= pages
    assert pages - named <= PAGES_BESIDE
    assert reasons == {cell for cell in shown.values() if not code(cell)}


def test_every_feature_can_be_tried_in_a_browser_or_says_why_not() -> None:
    reasons = {row["Word"] for row in rows("features.md", "Word", "Why it cannot be tried in a browser")}
    kinds = {
        "tools": "Tool",
        "resources": "Resource",
        "templates": "Template",
        "prompts": "Prompt",
        "skills": "Resource",
    }
    cells = {row["Feature"]: row["Try"] for row in FEATURES}
    assert reasons == {cell for cell in cells.values() if not code(cell)}
    for row in FEATURES:
        for fragment in code(row["Try"]):
            matched = TRY.fullmatch(fragment)
            assert matched, fragment
            kind, name, revision, arguments, scene = matched.groups()
            if name is not None:
                assert unquote(name) in documented(kinds[kind]), row["Feature"]
            else:
                assert kind in ("start", "session", "raw"), row["Feature"]
            assert kind == "start" or revision in revisions_of(row["Revisions"]), row["Feature"]
            if scene is not None:
                assert (kind, name, revision) == tuple(SCENES[scene]["place"][key] for key in PLACE), scene
            if arguments:
                json.loads(base64.urlsafe_b64decode(arguments + "=" * (-len(arguments) % 4)))


def revisions_of(words: str) -> list[str]:
    if words in EXTENSIONS:
        return ["2026-07-28"]
    return revision_badges(words)


def test_features_missing_from_the_tour_are_shown_by_a_fixture_where_it_says_so() -> None:
    fixtures = {name for name, when in documented("Tool").items() if when == "fixture"}
    fixtures |= {name for name, when in documented("Prompt").items() if when == "fixture"}
    for row in FEATURES:
        if row["Tour"] == "fixture":
            assert fixtures & set(code(row["Shown by"])), row["Feature"]
