"""Refresh tokens: rotation, the grace period of real clients, and the end of a stolen family."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client as Http
from django.utils import timezone

from oauth_app import validators
from oauth_app.conf import conf
from oauth_app.models import AccessToken, RefreshToken, end_access, end_families
from tests.oauth_app import flow


def refresh(connected, token, **parameters):
    return flow.refresh(connected.http, connected.client_id, token, **parameters)


def age_superseded(seconds):
    RefreshToken.objects.exclude(superseded=None).update(
        superseded=timezone.now() - timedelta(seconds=seconds)
    )


def test_a_refresh_gives_a_new_pair(alice, verify):
    answer = refresh(alice, alice.refresh)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["refresh_token"] != alice.refresh
    assert verify(answer.json()["access_token"])
    assert verify(alice.access), "requests under way still carry the old one"


def test_refreshes_can_be_chained(alice):
    token = alice.refresh
    for _ in range(5):
        age_superseded(3600)
        token = refresh(alice, token).json()["refresh_token"]


def test_within_the_grace_period_the_old_token_gives_another_pair(alice, verify):
    first = refresh(alice, alice.refresh).json()
    age_superseded(100)
    second = refresh(alice, alice.refresh)
    assert second.status_code == 200
    assert verify(first["access_token"])
    assert verify(second.json()["access_token"])
    assert refresh(alice, first["refresh_token"]).status_code == 200
    assert refresh(alice, second.json()["refresh_token"]).status_code == 200


def test_reuse_after_the_grace_period_ends_the_family(alice, verify):
    renewed = refresh(alice, alice.refresh).json()
    age_superseded(121)
    answer = refresh(alice, alice.refresh)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert verify(alice.access) is None
    assert verify(renewed["access_token"]) is None
    assert refresh(alice, renewed["refresh_token"]).status_code == 400


def test_another_family_is_left_alone(alice, verify):
    other = flow.connect("alice", client_id=alice.client_id)
    refresh(alice, alice.refresh)
    age_superseded(121)
    refresh(alice, alice.refresh)
    assert verify(other.access)


def test_a_revoked_token_is_not_covered_by_grace(alice):
    alice.http.post("/revoke", {"client_id": alice.client_id, "token": alice.refresh})
    assert refresh(alice, alice.refresh).status_code == 400


def test_another_client_can_neither_use_nor_revoke_it(alice):
    other = flow.register(alice.http).json()["client_id"]
    assert flow.refresh(alice.http, other, alice.refresh).json()["error"] == "invalid_grant"
    assert refresh(alice, alice.refresh).status_code == 200


def test_it_expires_after_seven_days(alice):
    token = RefreshToken.objects.get()
    assert token.expires - token.created == pytest.approx(timedelta(days=7), abs=timedelta(seconds=2))
    RefreshToken.objects.update(expires=timezone.now())
    assert refresh(alice, alice.refresh).json()["error"] == "invalid_grant"


def test_scopes_can_be_narrowed_and_come_back_but_never_grow(db):
    connected = flow.connect("alice", scope="mcp mcp:admin")
    narrowed = refresh(connected, connected.refresh, scope="mcp").json()
    assert narrowed["scope"] == "mcp"
    assert refresh(connected, narrowed["refresh_token"]).json()["scope"] == "mcp mcp:admin"
    answer = refresh(connected, connected.refresh, scope="mcp offline_access")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.quick
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"refresh_token": ""}, "invalid_request"),
        ({"refresh_token": ["one", "two"]}, "invalid_request"),
        ({"scope": "mcp mcp:admin"}, "invalid_scope"),
        ({"refresh_token": "unknown"}, "invalid_grant"),
        ({"resource": "https://other.example/"}, "invalid_target"),
    ],
)
def test_a_wrong_refresh_is_refused(alice, change, error):
    answer = alice.http.post(
        "/token",
        {"grant_type": "refresh_token", "client_id": alice.client_id, "refresh_token": alice.refresh}
        | change,
    )
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_access_token_does_not_refresh(alice):
    assert refresh(alice, alice.access).status_code == 400


def test_a_disabled_user_loses_access_refresh_and_code(alice, verify):
    code = flow.allow(alice.http, alice.http.get(flow.authorize_url(alice.client_id)))["code"]
    user = User.objects.get(username="alice")
    User.objects.update(is_active=False)  # without signals: the checks must hold by themselves
    assert verify(alice.access) is None
    assert refresh(alice, alice.refresh).status_code == 400
    assert flow.exchange(alice.http, alice.client_id, code).status_code == 400
    user.refresh_from_db()
    user.save()
    assert not AccessToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_refreshes_that_arrive_together_all_succeed():
    connected = flow.connect("alice")

    def one(_):
        try:
            return flow.refresh(Http(), connected.client_id, connected.refresh)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == len(answers)
    assert len(set(RefreshToken.objects.values_list("token_family", flat=True))) == 1


def test_a_replaced_token_gives_a_limited_number_of_pairs(alice, verify):
    most = conf.max_refreshes
    answers = [refresh(alice, alice.refresh) for _ in range(most + 3)]
    assert [answer.status_code for answer in answers] == [200] * most + [400] * 3
    assert answers[-1].json()["error"] == "invalid_grant"
    assert RefreshToken.objects.count() == 1 + most
    for pair in (answers[0].json(), answers[most - 1].json()):
        assert verify(pair["access_token"]), "who has been given a pair keeps it"
        assert refresh(alice, pair["refresh_token"]).status_code == 200


def test_a_consent_has_a_limited_number_of_access_tokens(alice, verify, settings):
    settings.OAUTH_MAX_ACCESS_TOKENS = 10
    another = flow.connect("bob")
    found = [{"access_token": alice.access, "refresh_token": alice.refresh}]
    for _ in range(12):
        found.append(refresh(alice, found[-1]["refresh_token"]).json())
    assert [bool(verify(pair["access_token"])) for pair in found] == [False] * 3 + [True] * 10
    assert verify(another.access)


def test_a_refused_refresh_does_not_count(alice):
    for _ in range(conf.max_refreshes):
        assert refresh(alice, alice.refresh, scope="mcp mcp:admin").status_code == 400
        assert refresh(alice, alice.refresh, resource="https://other.example/").status_code == 400
    assert refresh(alice, alice.refresh).status_code == 200


def test_using_up_the_pairs_does_not_hide_a_later_reuse(alice, verify, settings):
    settings.OAUTH_MAX_REFRESHES = 2
    pair = refresh(alice, alice.refresh).json()
    assert [refresh(alice, alice.refresh).status_code for _ in range(2)] == [200, 400]
    age_superseded(121)
    assert refresh(alice, alice.refresh).status_code == 400
    assert verify(pair["access_token"]) is None


@pytest.mark.django_db(transaction=True)
def test_refreshes_that_arrive_together_get_no_more_pairs_than_others(settings):
    settings.OAUTH_MAX_REFRESHES = 3
    connected = flow.connect("alice")

    def one(_):
        try:
            return flow.refresh(Http(), connected.client_id, connected.refresh).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(one, range(8)))
    assert statuses == [200] * 3 + [400] * 5
    assert RefreshToken.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_redeeming_a_code_twice_concurrently_never_gives_two_families():
    http = Http()
    client_id = flow.register(http).json()["client_id"]
    code = flow.allow(http, flow.sign_in(http, flow.authorize_url(client_id)))["code"]

    def one(_):
        try:
            return flow.exchange(Http(), client_id, code).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(one, range(4)))
    assert statuses == [200, 400, 400, 400]
    assert not AccessToken.objects.exists(), "the second use withdrew what the first one gave"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks the whole database")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reused", ["code", "refresh token"])
def test_reuse_holds_no_row_of_the_family_when_it_locks_all_in_order(monkeypatch, reused):
    """Or it would deadlock with a disconnection, which locks them in order as well."""
    connected = flow.connect("alice")
    second = refresh(connected, connected.refresh).json()["refresh_token"]
    refresh(connected, second)
    age_superseded(121)

    def disconnect():
        try:
            end_access(user=User.objects.get())
        finally:
            connections.close_all()

    def after_a_disconnection(families):
        pool.submit(disconnect).result(20)
        end_families(families)

    monkeypatch.setattr(validators, "end_families", after_a_disconnection)
    with ThreadPoolExecutor(1) as pool:
        if reused == "code":
            answer = flow.exchange(Http(), connected.client_id, connected.code)
        else:
            answer = refresh(connected, second)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert not RefreshToken.objects.filter(revoked=None).exists()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("offline_access", "mcp offline_access"),
        ("mcp  offline_access", "mcp offline_access"),
        (" mcp ", "mcp"),
        ("mcp mcp", "mcp"),
        ("", "mcp offline_access"),
        (" ", "mcp"),
    ],
)
def test_a_refresh_never_gives_a_useless_token(db, asked, given):
    connected = flow.connect("alice", scope="mcp offline_access")
    answer = flow.refresh(connected.http, connected.client_id, connected.refresh, scope=asked)
    assert answer.json()["scope"] == given
