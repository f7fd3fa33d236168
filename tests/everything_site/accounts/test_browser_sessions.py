"""Browser sessions in the database are of no use to whoever reads it."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as Django
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client as Http
from django.utils import timezone

Store = import_module(settings.SESSION_ENGINE).SessionStore
COOKIE = settings.SESSION_COOKIE_NAME

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def browser(alice: User) -> Http:
    http = Http()
    http.force_login(alice)
    return http


def user_of(http: Http) -> str:
    return http.get("/").wsgi_request.user.get_username()


def with_cookie(value: str) -> Http:
    http = Http()
    http.cookies[COOKIE] = value
    return http


def test_a_cookie_is_not_in_the_database(browser: Http) -> None:
    assert user_of(browser) == "alice"
    assert browser.cookies[COOKIE].value not in repr(list(Session.objects.values()))


def test_what_is_in_the_database_is_no_cookie(browser: Http) -> None:
    (row,) = Session.objects.values()
    for value in (row["session_key"], row["session_data"], str(row)):
        assert user_of(with_cookie(value)) == ""


def test_what_a_session_contains_can_be_read_only_with_its_cookie() -> None:
    """Such as a client's secret, until the admin shows it, or the tokens of an identity provider."""
    store, other = Store(), Store()
    store["message"] = "The secret of the client is 123456"
    store.save()
    other["message"] = "nothing"
    other.save()
    for row in Session.objects.all():
        for reader in (Django(), Store(), Store(row.session_key), Store("k" * 32)):
            assert reader.decode(row.session_data) == {}
    assert Store(store.session_key)["message"] == "The secret of the client is 123456"
    assert "message" not in Store(None)


def test_the_data_of_one_session_is_of_no_use_in_the_row_of_another() -> None:
    store, other = Store(), Store()
    for one in (store, other):
        one["message"] = one.session_key
        one.save()
    data = list(Session.objects.order_by("session_key").values_list("session_key", "session_data"))
    for (key, _), (_, foreign) in zip(data, reversed(data), strict=True):
        Session.objects.filter(session_key=key).update(session_data=foreign)
    assert Store(store.session_key).load() == {}
    assert Store(other.session_key).load() == {}


def test_a_changed_secret_key_ends_sessions_unless_the_old_one_is_kept(settings: Any) -> None:
    store = Store()
    store["colour"] = "blue"
    store.save()
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another " * 8
    assert Store(store.session_key).load() == {}
    settings.SECRET_KEY_FALLBACKS = [old]
    assert Store(store.session_key).load() == {"colour": "blue"}


def test_the_row_of_an_earlier_release_is_no_session(browser: Http) -> None:
    data = Session.objects.get().session_data
    tomorrow = timezone.now() + timedelta(days=1)
    Session.objects.create(session_key="k" * 32, session_data=data, expire_date=tomorrow)
    assert user_of(with_cookie("k" * 32)) == ""


def test_a_cookie_of_somebody_elses_choice_does_not_become_a_session(alice: User) -> None:
    http = with_cookie("chosen" * 6)
    http.force_login(alice)
    assert http.cookies[COOKIE].value != "chosen" * 6
    assert Session.objects.count() == 1


def test_signing_out_ends_the_session_wherever_the_cookie_is_used(browser: Http) -> None:
    copy = with_cookie(browser.cookies[COOKIE].value)
    assert user_of(copy) == "alice"
    browser.post("/connections", {"decision": "sign-out"})
    assert user_of(copy) == ""
    assert not Session.objects.exists()


def test_a_session_can_be_changed_and_keeps_its_key(browser: Http) -> None:
    session = browser.session
    session["colour"] = "blue"
    session.save()
    assert Store(session.session_key)["colour"] == "blue"
    assert Session.objects.count() == 1


def test_two_sessions_of_one_user_are_two(alice: User) -> None:
    browsers = [Http(), Http()]
    for http in browsers:
        http.force_login(alice)
    browsers[0].post("/connections", {"decision": "sign-out"})
    assert [user_of(http) for http in browsers] == ["", "alice"]


def test_a_key_is_found_by_itself_and_not_by_what_is_kept_of_it() -> None:
    store = Store()
    store.create()
    kept = Session.objects.get().session_key
    assert store.exists(store.session_key)
    assert not store.exists(kept)
    store.delete(kept)
    assert store.exists(store.session_key)
    store.delete(store.session_key)
    assert not Session.objects.exists()


def test_a_session_that_ended_during_a_request_is_not_created_again() -> None:
    store = Store()
    store.create()
    Session.objects.all().delete()
    with pytest.raises(UpdateError):
        store.save()
    assert not Session.objects.exists()


def test_a_key_is_never_given_twice() -> None:
    store = Store()
    store.create()
    with pytest.raises(CreateError):
        Store(store.session_key).save(must_create=True)


def test_expired_sessions_are_cleared_and_others_are_not(browser: Http) -> None:
    Store().create()
    kept = Store(browser.cookies[COOKIE].value)
    call_command("prune", verbosity=0)
    assert Session.objects.count() == 2
    Session.objects.exclude(pk=Session.objects.get(session_data=kept_data(kept)).pk).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    call_command("prune", verbosity=0)
    assert user_of(browser) == "alice"
    assert Session.objects.count() == 1


def kept_data(store: object) -> str:
    """The data of the one session that has any."""
    return max(Session.objects.values_list("session_data", flat=True), key=len)


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_views_find_the_same_session() -> None:
    store = Store()
    await store.aset("colour", "blue")
    await store.asave()
    again = Store(store.session_key)
    assert await again.aget("colour") == "blue"
    assert await again.aexists(store.session_key)
    await again.adelete()
    assert await Store(store.session_key).aload() == {}
