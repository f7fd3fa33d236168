"""Each mistake in the settings is reported by its check, and by no other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, run_checks
from django.core.checks.registry import registry
from django.http import HttpResponse
from django.urls import include, path, re_path

from mcp_app import checks, server_checks
from mcp_app.conf import Conf, conf

NUMBERS = {
    setting.name: setting
    for setting in Conf.declared()
    if isinstance(setting.default, int | float) and not isinstance(setting.default, bool)
}

Check = Callable[[Any], list[CheckMessage]]

OURS = (checks.__name__, server_checks.__name__)


def ids(check: Check) -> list[str | None]:
    return [message.id for message in check(None)]


def own(*, deploy: bool) -> list[str | None]:
    found = run_checks(include_deployment_checks=deploy)
    return [message.id for message in found if (message.id or "").startswith("mcp_app")]


def unsilenced(*, deploy: bool) -> list[str | None]:
    """What the settings of this project do not answer themselves."""
    return [name for name in own(deploy=deploy) if name not in django_settings.SILENCED_SYSTEM_CHECKS]


def test_the_project_passes() -> None:
    assert unsilenced(deploy=False) == []


def test_the_project_passes_in_production(settings: Any) -> None:
    settings.BASE_URI = "https://mcp.example.com"
    settings.MCP_RESOURCE_URL = "https://mcp.example.com/mcp"
    settings.MCP_SSE_RESOURCE_URL = "https://mcp.example.com/sse"
    settings.ALLOWED_HOSTS = ["mcp.example.com"]
    assert unsilenced(deploy=True) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3232/mcp/",
        "http://localhost:3232/mcp?x=1",
        "http://localhost:3232/mcp#x",
    ],
)
@pytest.mark.parametrize("name", ["MCP_RESOURCE_URL", "MCP_SSE_RESOURCE_URL"])
def test_a_resource_url_that_clients_would_not_match(settings: Any, name: str, url: str) -> None:
    setattr(settings, name, url)
    assert ids(checks.check_values) == ["mcp_app.E001"]


def test_a_resource_url_of_another_scheme(settings: Any) -> None:
    settings.BASE_URI = "ftp://localhost"
    settings.MCP_RESOURCE_URL = "ftp://localhost/mcp"
    settings.MCP_SSE_RESOURCE_URL = "ftp://localhost/sse"
    assert ids(checks.check_values) == ["mcp_app.E001", "mcp_app.E001"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, "5", None, True, float("nan")])
def test_an_invalid_or_negative_number(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    [message] = checks.check_values(None)
    assert message.id == "mcp_app.E003"
    assert name in message.msg
    assert checks.check_lifetimes(None) == []


@pytest.mark.parametrize("name", [name for name, row in NUMBERS.items() if isinstance(row.default, int)])
def test_a_number_that_must_be_whole(settings: Any, name: str) -> None:
    setattr(settings, name, 90.5)
    assert ids(checks.check_values) == ["mcp_app.E003"]


@pytest.mark.parametrize("name", NUMBERS)
def test_the_least_number_is_fine(settings: Any, name: str) -> None:
    setattr(settings, name, NUMBERS[name].minimum)
    assert ids(checks.check_values) == []


def test_every_number_has_a_least_one() -> None:
    assert len(NUMBERS) > 20
    assert all(row.minimum >= 0 for row in NUMBERS.values())


@pytest.mark.parametrize("name", ["MCP_LEASE_SECONDS", "MCP_KEEP_ALIVE_SECONDS", "MCP_CACHE_SECONDS"])
def test_times_that_must_be_below_the_idle_time(settings: Any, name: str) -> None:
    settings.MCP_SESSION_IDLE_SECONDS = 20
    assert ids(checks.check_lifetimes) == []
    setattr(settings, name, 20)
    [message] = checks.check_lifetimes(None)
    assert message.id == "mcp_app.E004"
    assert name in message.msg


def test_a_maximum_age_below_the_idle_time(settings: Any) -> None:
    settings.MCP_SESSION_MAX_SECONDS = conf.session_idle_seconds - 1
    assert ids(checks.check_lifetimes) == ["mcp_app.E004"]


def test_a_keep_alive_interval_above_the_time_out_of_proxies(settings: Any) -> None:
    settings.MCP_KEEP_ALIVE_SECONDS = 29.9
    assert ids(checks.check_lifetimes) == []
    settings.MCP_KEEP_ALIVE_SECONDS = 30
    assert ids(checks.check_lifetimes) == ["mcp_app.W001"]


@pytest.mark.parametrize(
    "path", ["nowhere.Verifier", "mcp_app.auth.tokens.Nothing", "nodots", "mcp_app.conf.Conf"]
)
def test_an_invalid_token_verifier(settings: Any, path: str) -> None:
    settings.MCP_TOKEN_VERIFIER = path
    assert ids(checks.check_token_verifier) == ["mcp_app.E005"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_REQUIRED_SCOPES", "mcp"),
        ("MCP_REQUIRED_SCOPES", ["mcp profile"]),
        ("MCP_REQUIRED_SCOPES", [""]),
        ("MCP_ALLOWED_ORIGINS", "https://app.example"),
        ("MCP_ALLOWED_ORIGINS", ["app.example"]),
        ("MCP_ALLOWED_ORIGINS", ["https://app.example/"]),
        ("MCP_ALLOWED_ORIGINS", [None]),
    ],
)
def test_an_invalid_list(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    [message] = checks.check_values(None)
    assert message.id == "mcp_app.E007"
    assert name in message.msg


@pytest.mark.parametrize(
    "name", ["MCP_SERVER", "MCP_RESOURCE_URL", "MCP_ISSUER", "MCP_TOKEN_VERIFIER", "MCP_REDIS_URL"]
)
def test_a_setting_that_is_missing_is_reported_once_with_its_line(settings: Any, name: str) -> None:
    del settings.REDIS_URL
    settings.MCP_REDIS_URL = "redis://127.0.0.1:6379/0"
    delattr(settings, name)
    if name == "MCP_RESOURCE_URL":
        del settings.MCP_SSE_RESOURCE_URL
    ours = [check for check in registry.get_checks() if check.__module__ in OURS]
    [message] = [message for check in ours for message in check(app_configs=None, databases=None)]
    assert message.id == "mcp_app.E001"
    assert f'Write in settings.py: {name} = "' in (message.hint or "")
    line = (message.hint or "").partition(": ")[2]
    values: dict[str, str] = {}
    exec(line, values)
    setattr(settings, name, values[name])
    assert checks.check_values(None) == [], "the line is right"


def test_the_message_about_a_faulty_url_of_redis_has_no_password(settings: Any) -> None:
    settings.MCP_REDIS_URL = "http://:secret@redis.example"
    [message] = checks.check_values(None)
    assert "MCP_REDIS_URL" in message.msg
    assert "secret" not in message.msg


@pytest.mark.parametrize("prefix", ["shop:", "", "a.b_c-1:"])
def test_a_prefix_of_keys(settings: Any, prefix: str) -> None:
    settings.MCP_REDIS_PREFIX = prefix
    assert ids(checks.check_values) == []


@pytest.mark.parametrize("prefix", ["{shop}", "shop*", "a b", "x" * 65])
def test_a_prefix_that_would_mean_something_to_redis(settings: Any, prefix: str) -> None:
    settings.MCP_REDIS_PREFIX = prefix
    assert ids(checks.check_values) == ["mcp_app.E001"]


@pytest.mark.parametrize("path", ["healthz", "/", "/a/", "/a?b", "https://example.com/healthz"])
def test_a_probe_whose_path_is_none(settings: Any, path: str) -> None:
    settings.MCP_LIVENESS_PATH = path
    assert ids(checks.check_values) == ["mcp_app.E001"]


def nothing(request: Any, **kwargs: Any) -> HttpResponse:
    return HttpResponse()


def urls(*patterns: Any) -> ModuleType:
    """A URLconf."""
    made = ModuleType("shop.urls")
    made.urlpatterns = patterns  # type: ignore[attr-defined]
    return made


METADATA = path("", include("mcp_app.urls"))


def test_missing_urls_are_reported_with_their_line(settings: Any) -> None:
    settings.ROOT_URLCONF = urls(path("page", nothing))
    [message] = checks.check_metadata_urls(None)
    assert message.id == "mcp_app.E010"
    assert "No URL pattern serves /.well-known/oauth-protected-resource/mcp" in message.msg
    assert 'path("", include("mcp_app.urls"))' in (message.hint or "")


def test_a_page_in_front_of_the_metadata_is_named(settings: Any) -> None:
    settings.ROOT_URLCONF = urls(re_path("^(?P<page>.*)$", nothing), METADATA)
    [message] = checks.check_metadata_urls(None)
    assert message.id == "mcp_app.E010"
    assert "^(?P<page>.*)$" in message.msg
    settings.ROOT_URLCONF = urls(METADATA, re_path("^(?P<page>.*)$", nothing))
    assert ids(checks.check_metadata_urls) == ids(checks.check_shadowed_urls) == []


@pytest.mark.parametrize(
    ("page", "way"),
    [
        ("sse", {"MCP_HTTP_SSE": False}),
        ("message", {"MCP_SSE_RESOURCE_URL": "http://localhost:3232/mcp/sse"}),
        ("healthz", {"MCP_LIVENESS_PATH": "/alive"}),
        ("readyz", {"MCP_READINESS_PATH": ""}),
        ("mcp", {"MCP_RESOURCE_URL": "http://localhost:3232/api/mcp"}),
    ],
)
def test_a_page_that_an_endpoint_hides_is_reported_with_the_way_out(
    settings: Any, page: str, way: dict[str, Any]
) -> None:
    settings.ROOT_URLCONF = urls(METADATA, path(page, nothing))
    [message] = checks.check_shadowed_urls(None)
    assert message.id == "mcp_app.W003"
    assert f"/{page} is an MCP endpoint" in message.msg
    [(name, value)] = way.items()
    assert name in (message.hint or "")
    setattr(settings, name, value)
    assert ids(checks.check_shadowed_urls) == []


@pytest.fixture
def shop(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of a project; its asgi.py must not be imported by a check."""
    package = tmp_path / "checked_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "asgi.py").write_text("raise SystemExit('imported')\nmcp_application(x)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    settings.ROOT_URLCONF = "checked_shop.urls"
    settings.ASGI_APPLICATION = None
    return package


def test_an_asgi_module_with_the_endpoints_is_fine(shop: Path) -> None:
    assert ids(checks.check_asgi) == []


@pytest.mark.parametrize(
    "text",
    ["application = get_asgi_application()", "from mcp_app.routing import mcp_application", None],
    ids=["without", "not called", "no module"],
)
def test_an_asgi_module_without_the_endpoints_is_reported_with_its_lines(
    shop: Path, text: str | None
) -> None:
    module = shop / "asgi.py"
    module.unlink() if text is None else module.write_text(text)
    [message] = checks.check_asgi(None)
    assert message.id == "mcp_app.W004"
    assert "checked_shop.asgi" in message.msg
    assert "from mcp_app.routing import mcp_application" in (message.hint or "")


def test_the_asgi_module_of_the_settings_is_the_one_that_counts(shop: Path, settings: Any) -> None:
    (shop / "asgi.py").write_text("application = get_asgi_application()")
    (shop / "server.py").write_text("application = mcp_application(get_asgi_application())")
    settings.ASGI_APPLICATION = "checked_shop.server.application"
    assert ids(checks.check_asgi) == []


@pytest.mark.parametrize("app", ["django.core", "django.contrib.staticfiles"])
def test_a_runserver_that_serves_no_asgi_is_reported_in_development(
    settings: Any, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    monkeypatch.setattr(checks, "get_commands", lambda: {"runserver": app})
    assert ids(checks.check_runserver) == [], "there is no runserver in production"
    settings.DEBUG = True
    [message] = checks.check_runserver(None)
    assert message.id == "mcp_app.W005"
    assert '"daphne" first in INSTALLED_APPS' in (message.hint or "")


def test_daphne_needs_the_name_of_the_application(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "get_commands", lambda: {"runserver": "daphne"})
    settings.ROOT_URLCONF, settings.ASGI_APPLICATION = "shop.urls", "shop.asgi.application"
    assert ids(checks.check_runserver) == []
    settings.ASGI_APPLICATION = None
    [message] = checks.check_runserver(None)
    assert message.id == "mcp_app.E011"
    assert 'ASGI_APPLICATION = "shop.asgi.application"' in (message.hint or "")


def test_a_host_that_is_not_served_is_reported_with_its_line(settings: Any) -> None:
    settings.MCP_RESOURCE_URL = "http://shop.localhost:8000/mcp"
    settings.ALLOWED_HOSTS = []
    [message] = checks.check_own_host(None)
    assert message.id == "mcp_app.W006"
    assert 'ALLOWED_HOSTS = ["shop.localhost"]' in (message.hint or "")
    settings.DEBUG = True
    assert ids(checks.check_own_host) == [], "Django allows it then"


def test_the_test_runner_is_not_warned_of_the_hosts_that_development_allows(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]  # what it sets, with DEBUG off
    settings.MCP_RESOURCE_URL = "http://localhost:8000/mcp"
    assert ids(checks.check_own_host) == []
    settings.MCP_RESOURCE_URL = "https://shop.example/mcp"
    assert ids(checks.check_own_host) == ["mcp_app.W006"]


def test_an_event_log_holds_two_connections(settings: Any) -> None:
    settings.MCP_EVENT_LOG_BYTES = 2 * conf.max_stream_bytes
    assert ids(checks.check_event_log) == []
    settings.MCP_EVENT_LOG_BYTES = 2 * conf.max_stream_bytes - 1
    assert ids(checks.check_event_log) == ["mcp_app.E009"]


@pytest.mark.parametrize("path", ["nowhere.Metrics", "json.JSONDecoder"])
def test_an_observer_that_cannot_be_used_is_reported_once(settings: Any, path: str) -> None:
    settings.MCP_OBSERVERS = ["mcp_app.observers.Observer", path]
    [message] = checks.check_observers(None)
    assert message.id == "mcp_app.E012"
    assert path in message.msg
    assert server_checks.check_server(None) == []


def test_plain_http_is_for_this_computer_only(settings: Any) -> None:
    assert ids(checks.check_https) == []
    settings.MCP_RESOURCE_URL = "http://mcp.example.com/mcp"
    assert ids(checks.check_https) == ["mcp_app.E008"]


def test_a_wildcard_host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert ids(checks.check_hosts) == ["mcp_app.W002"]


def test_production_checks_do_not_run_in_development(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert unsilenced(deploy=False) == []
    assert unsilenced(deploy=True) == ["mcp_app.W002"]


@pytest.mark.parametrize("name", ["MCP_PERSON_TO_USER", "MCP_USER_TO_PERSON"])
@pytest.mark.parametrize("path", ["nowhere.at_all", "mcp_app.people.nothing", "mcp_app.access.META_KEY"])
def test_a_function_about_people_that_does_not_exist(settings: Any, name: str, path: str) -> None:
    setattr(settings, name, path)
    [message] = checks.check_people(None)
    assert message.id == "mcp_app.E013"
    assert name in message.msg
