"""The admin shows when clients and users were last seen, whatever the revision."""

from __future__ import annotations

import json
import time
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as Http
from django.urls import reverse

from mcp_app.monitoring.last_seen import of_person
from mcp_app.monitoring.sessions import connected
from mcp_app.protocol.personal import Person
from mcp_app.sessions import keys
from oauth_app.models import Client
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    """A client that alice has connected and used without a session."""
    connected_client = flow.connect("alice")
    found = Client.objects.get(client_id=connected_client.client_id)
    use = {
        "at": int(time.time()) - 90,
        "username": "alice",
        "client_name": found.name,
        "revision": "2026-07-28",
        "software": "inspector <b> 0.16",
        "transport": "Streamable HTTP",
    }
    person = person_of("alice")
    with connected() as redis:
        redis.hset(keys.seen(person), found.client_id, json.dumps(use))
        redis.zadd(keys.used(found.client_id), {person: use["at"]})
        redis.expire(keys.seen(person), 60)
        redis.expire(keys.used(found.client_id), 60)
    return found


@pytest.fixture
def operator() -> Http:
    http = Http()
    http.force_login(User.objects.create_superuser("root"))
    return http


def person_of(name: str) -> str:
    return Person(settings.AUTH_SERVER_URL, str(User.objects.get(username=name).pk)).key


SHOWN = "2026-07-28 over Streamable HTTP, inspector <b> 0.16"


def text(http: Http, path: str) -> str:
    page = http.get(path).content.decode()
    assert "<b> 0.16" not in page
    return unescape(page)


def test_the_list_and_the_page_of_a_client_show_when_it_was_last_seen(client: Client, operator: Http) -> None:
    flow.register(Http(), client_name="Another")
    listed = text(operator, reverse("admin:oauth_app_client_changelist"))
    assert listed.count(SHOWN) == 1
    assert SHOWN in text(operator, reverse("admin:oauth_app_client_change", args=[client.pk]))


def test_the_page_of_a_user_shows_each_client_they_used(client: Client, operator: Http) -> None:
    page = text(operator, reverse("admin:auth_user_change", args=[User.objects.get(username="alice").pk]))
    assert f"{client.name}: " in page
    assert SHOWN in page


def test_without_redis_the_pages_say_so(client: Client, operator: Http, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert "Redis cannot be reached" in text(operator, reverse("admin:oauth_app_client_changelist"))


@pytest.mark.parametrize("what", ["user", "client"])
def test_it_is_deleted_with_the_user_and_with_the_client_also_without_live_tokens(
    client: Client, what: str
) -> None:
    alice = User.objects.get(username="alice")
    person, pk = person_of("alice"), str(alice.pk)
    for model in (client.accesstoken_set, client.refreshtoken_set, client.grant_set):
        model.all().delete()
    (alice if what == "user" else client).delete()
    with connected() as redis:
        assert not of_person(redis, settings.AUTH_SERVER_URL, pk)
        assert not redis.exists(keys.seen(person), keys.used(client.client_id))
