"""A user sees which applications have access, and revokes it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client as Http

from oauth_app.models import AccessToken, Client, RefreshToken
from oauth_app.signals import audited
from tests.oauth_app import flow

PATH = "/connections"
PAST = "2020-01-01T00:00Z"


def names(http):
    page = http.get(PATH)
    assert page.status_code == 200
    return [connection.name for connection in page.context["connections"]]


def withdraw(http, client_id):
    return http.post(PATH, {"client": Client.objects.get(client_id=client_id).pk})


def test_it_works(alice, verify):
    text = alice.http.get(PATH).content.decode()
    assert "Test Client" in text
    assert "127.0.0.1:6274" in text
    assert "Use the tools, resources and prompts" in text

    assert withdraw(alice.http, alice.client_id)["Location"] == PATH
    assert names(alice.http) == []
    assert "No apps are connected" in alice.http.get(PATH).content.decode()
    assert verify(alice.access) is None
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400


@pytest.mark.parametrize("scope", ["mcp", "mcp offline_access"])
def test_it_says_how_long_access_lasts(db, scope):
    connected = flow.connect("alice", scope=scope)
    page = connected.http.get(PATH)
    (connection,) = page.context["connections"]
    assert connection.ends == RefreshToken.objects.get().expires
    assert f'datetime="{connection.ends.isoformat()}"' in page.content.decode()


def test_it_says_so_even_if_only_an_access_token_is_left(alice):
    RefreshToken.objects.all().delete()
    (connection,) = alice.http.get(PATH).context["connections"]
    assert connection.ends == AccessToken.objects.get().expires


def test_a_stranger_signs_in_first_and_returns(client, db):
    assert client.get(PATH).status_code == 302
    assert "Connected apps" in flow.sign_in(client, PATH).content.decode()


def test_it_asks_before_it_removes_access_and_says_so_afterwards(alice, verify):
    key = Client.objects.get(client_id=alice.client_id).pk
    asked = alice.http.get(PATH, {"remove": key}).content.decode()
    assert "Remove the access of <bdi>Test Client</bdi>?" in asked
    assert verify(alice.access)
    text = alice.http.post(PATH, {"client": key}, follow=True).content.decode()
    assert "Access removed. Test Client was signed out everywhere." in text
    assert "Access removed" not in alice.http.get(PATH).content.decode()


@pytest.mark.parametrize("key", ["", "x", "0", "9" * 30])
def test_it_does_not_ask_about_what_is_not_connected(alice, key):
    assert "Connected apps" in alice.http.get(PATH, {"remove": key}).content.decode()


def test_nobody_sees_or_ends_the_access_of_others(alice, verify):
    bob = flow.connect("bob", alice.client_id)
    carol = Http()
    carol.force_login(User.objects.create_user("carol"))
    assert names(carol) == []
    withdraw(carol, alice.client_id)
    withdraw(bob.http, alice.client_id)
    assert verify(alice.access)
    assert verify(bob.access) is None


def test_nothing_is_recorded_as_revoked_that_was_never_granted(alice, django_capture_on_commit_callbacks):
    recorded = []

    def receiver(event, **kwargs):
        recorded.append(event)

    other = flow.register(Http(), client_name="Another").json()["client_id"]
    audited.connect(receiver)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            withdraw(alice.http, other)
            alice.http.post(PATH, {"client": "123456789"})
        assert recorded == []
        with django_capture_on_commit_callbacks(execute=True):
            withdraw(alice.http, alice.client_id)
        assert recorded == ["access revoked"]
    finally:
        audited.disconnect(receiver)


def test_other_applications_keep_theirs(alice, verify):
    other = flow.connect("alice", http=Http())
    withdraw(alice.http, other.client_id)
    assert verify(other.access) is None
    assert verify(alice.access)


def test_one_application_is_listed_once_with_all_its_permissions(alice):
    flow.connect("alice", alice.client_id, Http(), scope="mcp mcp:admin")
    [connection] = alice.http.get(PATH).context["connections"]
    assert connection.scopes == {"mcp", "mcp:admin"}
    assert len(connection.permissions) == 2


def test_what_can_be_refreshed_counts_and_what_has_expired_does_not(alice):
    AccessToken.objects.update(expires=PAST)
    assert names(alice.http) == ["Test Client"]
    RefreshToken.objects.update(expires=PAST)
    assert names(alice.http) == []


@pytest.mark.parametrize("value", ["", "x", "-1", "0", "9" * 30, "1 or 1=1", "²"])
def test_an_invalid_request_revokes_nothing(alice, verify, value):
    assert alice.http.post(PATH, {"client": value}).status_code == 302
    assert verify(alice.access)


def test_a_key_in_other_digits_revokes_nothing(alice, verify):
    """Python reads them as a number, which would leave no record."""
    key = Client.objects.get().pk
    alice.http.post(PATH, {"client": "".join(chr(0xFF10 + int(digit)) for digit in str(key))})
    assert verify(alice.access)


def test_it_is_safe_from_other_sites(alice, verify):
    http = Http(enforce_csrf_checks=True)
    http.cookies = alice.http.cookies
    assert withdraw(http, alice.client_id).status_code == 403
    assert verify(alice.access)
    page = alice.http.get(PATH)
    assert page["X-Frame-Options"] == "DENY"
    assert "no-store" in page["Cache-Control"]


def test_hostile_names_are_shown_escaped(alice):
    Client.objects.update(name="\u202e<script>alert(1)</script>")
    text = alice.http.get(PATH).content.decode()
    assert "<script>alert" not in text
    assert "\u202e" not in text


def test_a_client_identified_by_a_url_is_shown_by_its_host(alice):
    Client.objects.update(client_id="https://client.example/metadata.json")
    assert "client.example" in alice.http.get(PATH).content.decode()


def test_signing_out_ends_the_browser_session_and_no_access(alice, verify):
    assert alice.http.post(PATH, {"decision": "sign-out"})["Location"] == "/"
    assert alice.http.get(PATH).status_code == 302
    assert verify(alice.access)
