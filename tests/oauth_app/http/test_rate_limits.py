"""Rate limits count across all processes, and an outage of Redis locks nobody out."""

import secrets
import time
from pathlib import Path

import pytest
from limits import parse

from oauth_app import checks
from oauth_app.conf import RATE_LIMITS
from oauth_app.http import rate_limits
from tests.oauth_app import flow
from tests.support.folders import short_folder
from tests.support.own_redis import own_redis

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limited(settings):
    settings.OAUTH_RATE_LIMITS = RATE_LIMITS
    settings.OAUTH_TRUSTED_PROXIES = 1
    rate_limits.limiter.cache_clear()
    yield
    rate_limits.limiter.cache_clear()


@pytest.fixture
def address():
    """An address that has not been used before."""
    return f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}::1"


@pytest.fixture
def http(client, address):
    client.defaults["HTTP_X_FORWARDED_FOR"] = address
    return client


def test_the_21st_registration_in_a_minute_is_refused(http):
    for _ in range(20):
        assert flow.register(http).status_code == 201
    answer = flow.register(http)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["error"] == "too_many_requests"


def test_other_addresses_and_other_endpoints_continue(http, settings):
    settings.OAUTH_RATE_LIMITS = {"register": "1/minute", "token": "1/minute"}
    assert flow.register(http).status_code == 201
    assert flow.register(http).status_code == 429
    assert http.post("/token", {}).status_code != 429
    http.defaults["HTTP_X_FORWARDED_FOR"] = "192.0.2." + str(secrets.randbelow(256))
    assert flow.register(http).status_code == 201


def test_another_process_counts_the_same_requests(http, settings):
    settings.OAUTH_RATE_LIMITS = {"register": "1/minute"}
    assert flow.register(http).status_code == 201
    rate_limits.limiter.cache_clear()  # a limiter of its own, as in another process
    assert flow.register(http).status_code == 429


def test_a_user_sees_it_on_a_page(http, settings):
    settings.OAUTH_RATE_LIMITS = {"authorize": "1/minute"}
    url = flow.authorize_url("nobody", prompt="none")
    assert http.get(url).status_code == 400
    page = http.get(url)
    assert page.status_code == 429
    assert "Retry-After" in page
    assert "too many requests" in page.content.decode()
    assert page["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/token", "/revoke", "/register/x"])
def test_the_token_endpoint_has_its_limit(http, settings, path):
    settings.OAUTH_RATE_LIMITS = {"token": "1/minute"}
    assert http.post(path, {}).status_code in (400, 401)
    assert http.post(path, {}).status_code == 429


def test_introspection_by_resource_servers_is_not_rate_limited(http, settings):
    settings.OAUTH_RATE_LIMITS = dict.fromkeys(RATE_LIMITS, "1/minute")
    for _ in range(3):
        assert http.post("/introspect", {"token": "x"}).status_code == 401


def test_an_outage_of_redis_locks_nobody_out(http, settings, tmp_path, caplog):
    settings.OAUTH_RATE_LIMITS = {"register": "1/minute"}
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens.sock"
    for _ in range(3):
        assert flow.register(http).status_code == 201
    assert caplog.text.count("rate limiting disabled") == 1, "Redis is left alone for a while"


def test_a_limit_ends_with_its_window(redis_server):
    limiter, limit = rate_limits.Limiter(redis_server), parse("1 per 1 second")
    address = secrets.token_hex(8)
    assert limiter.seconds_to_wait(limit, "x", address) == 0
    assert limiter.seconds_to_wait(limit, "x", address) == 1
    deadline = time.monotonic() + 5
    while limiter.seconds_to_wait(limit, "x", address):
        assert time.monotonic() < deadline


def test_the_documented_limits_are_good(settings):
    assert checks.check_rate_limits(None) == []


@pytest.mark.parametrize("limits_", [{"registr": "20/minute"}, {"register": "many"}])
def test_an_invalid_limit_is_an_error(settings, limits_):
    settings.OAUTH_RATE_LIMITS = limits_
    assert [message.id for message in checks.check_rate_limits(None)] == ["oauth_app.E006"]


@pytest.mark.parametrize(
    ("issuer", "proxies", "found"),
    [("https://a.example", 0, ["oauth_app.W002"]), ("https://a.example", 1, []), ("http://localhost", 0, [])],
)
def test_a_proxy_that_is_not_configured_is_warned_about(settings, issuer, proxies, found):
    settings.AUTH_SERVER_URL = issuer
    settings.OAUTH_TRUSTED_PROXIES = proxies
    messages = checks.check_proxies(None)
    assert [message.id for message in messages] == found
    assert all(str(message.hint).startswith("Set OAUTH_TRUSTED_PROXIES ") for message in messages)


def test_the_limiter_reconnects_when_its_redis_becomes_a_replica(address, monkeypatch):
    monkeypatch.setattr(rate_limits, "REDIS_SECONDS", 10.0)  # a busy machine is no outage
    with own_redis() as old, own_redis() as new, short_folder() as folder:
        place = Path(folder) / "redis.sock"
        place.symlink_to(old.url.removeprefix("unix://"))
        counting = rate_limits.Limiter(f"unix://{place}")
        limit = parse("2/minute")
        assert counting.seconds_to_wait(limit, "token", address) == 0
        with old.client() as client:
            client.replicaof("127.0.0.1", 1)
        place.unlink()
        place.symlink_to(new.url.removeprefix("unix://"))
        for _ in range(2):  # the new primary knows of none
            assert counting.seconds_to_wait(limit, "token", address) == 0
        assert counting.seconds_to_wait(limit, "token", address) > 0
