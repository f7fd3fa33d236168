"""The admin of users: disabling and enabling them, and what else they lose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import pre_save
from django.test import Client as Http
from django.urls import reverse

from everything_site import admin
from mcp_app.auth.tokens import owner
from mcp_app.monitoring import sessions as monitoring
from mcp_app.sessions import keys
from mcp_app.sessions.store import SessionStore
from oauth_app.models import Client
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db

USERS = "admin:auth_user_changelist"
ALICE = "alice-in-the-admin"  # live sessions of other tests are not hers


@pytest.fixture
def root(client: Http) -> Http:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def alice() -> flow.Connected:
    return flow.connect(ALICE)


def act(http: Http, action: str, *names: str, confirmed: bool = True) -> Any:
    chosen = list(User.objects.filter(username__in=names).values_list("pk", flat=True))
    body: dict[str, Any] = {"action": action, "_selected_action": chosen}
    return http.post(reverse(USERS), body | ({"confirmed": "yes"} if confirmed else {}), follow=confirmed)


def is_active(name: str) -> bool:
    return bool(User.objects.get(username=name).is_active)


def test_disabling_a_user_asks_and_says_what_is_lost(root: Http, alice: flow.Connected) -> None:
    user = User.objects.get(username=ALICE)
    record = SessionStore.new(owner(alice.client_id, flow.ISSUER, str(user.pk)), ALICE, alice.client_id)
    with monitoring.connected() as redis:
        redis.hset(keys.record(record.id), mapping=record.to_fields())  # type: ignore[arg-type]
        redis.expire(keys.record(record.id), 60)
        redis.hset(keys.calls(record.id), "r1", "{}")
        redis.expire(keys.calls(record.id), 60)
    text = act(root, "disable", ALICE, confirmed=False).content.decode()
    assert "Disable 1 user?" in text
    assert "1 access token and 1 refresh token of 1 client will be revoked" in text
    assert "1 live session with 1 running call will end." in text
    assert "Calls of clients without sessions (revision 2026-07-28) end as well" in text
    assert is_active(ALICE)
    deletion = root.get(reverse("admin:auth_user_delete", args=[user.pk])).content.decode()
    assert "Live sessions: 1" in deletion
    client = reverse("admin:oauth_app_client_delete", args=[Client.objects.get().pk])
    assert "Live sessions: 1" in root.get(client).content.decode()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The limits up to which live sessions have been counted; there are always more."""
    limits: list[int] = []

    def one_more(redis: Any, *, limit: int) -> monitoring.Listing:
        limits.append(limit)
        return replace(monitoring.live_sessions(redis, limit=limit), is_complete=False)

    monkeypatch.setattr(admin, "live_sessions", one_more)
    return limits


def test_if_there_are_too_many_sessions_to_count_their_number_is_a_minimum(
    root: Http, alice: flow.Connected, counted: list[int]
) -> None:
    text = act(root, "disable", ALICE, confirmed=False).content.decode()
    assert "At least " in text  # sessions of other tests may be among them


@pytest.mark.parametrize("has_redis", [True, False])
def test_what_has_been_confirmed_is_done_without_counting_first(
    root: Http, alice: flow.Connected, counted: list[int], settings: Any, has_redis: bool
) -> None:
    if not has_redis:
        settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    client = Client.objects.get()
    rows = {"_selected_action": [client.pk], "confirmed": "yes"}
    for action in ("revoke", "disable"):
        root.post(reverse("admin:oauth_app_client_changelist"), {"action": action, **rows})
    assert not Client.objects.get().is_enabled
    assert "1 user disabled" in act(root, "disable", ALICE).content.decode()
    assert counted == []


def test_without_redis_the_question_says_so(root: Http, alice: flow.Connected, settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"
    text = act(root, "disable", ALICE, confirmed=False).content.decode()
    assert "live sessions cannot be counted" in text
    user = User.objects.get(username=ALICE)
    assert root.get(reverse("admin:auth_user_delete", args=[user.pk])).status_code == 200


def test_a_disabled_user_loses_access_and_can_be_enabled_again(root: Http, alice: flow.Connected) -> None:
    assert "1 user disabled" in act(root, "disable", ALICE).content.decode()
    assert not is_active(ALICE)
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400
    assert "1 user enabled" in act(root, "enable", ALICE).content.decode()
    assert is_active(ALICE)


def test_nobody_disables_themselves(root: Http, alice: flow.Connected) -> None:
    text = act(root, "disable", "root", ALICE).content.decode()
    assert "Nobody can disable or enable themselves" in text
    assert is_active("root")
    assert not is_active(ALICE)


def test_only_a_superuser_disables_another(root: Http, alice: flow.Connected) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    http = Http()
    http.force_login(clerk)
    assert "only superusers other superusers" in act(http, "disable", "root").content.decode()
    assert is_active("root")
    act(http, "disable", ALICE)
    assert not is_active(ALICE)


def test_saving_a_user_who_is_deleted_meanwhile_brings_nobody_back(root: Http, alice: flow.Connected) -> None:
    user = User.objects.get(username=ALICE)

    def delete(instance: User, **kwargs: Any) -> None:
        User.objects.filter(pk=instance.pk).delete()

    pre_save.connect(delete, sender=User)
    try:
        body = {"username": ALICE, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        url = reverse("admin:auth_user_change", args=[user.pk])
        text = root.post(url, body, follow=True).content.decode()
    finally:
        pre_save.disconnect(delete, sender=User)
    assert "The user was deleted while you edited it. Nothing was saved." in text


def staff(*permissions: str) -> Http:
    person = User.objects.create_user("olga", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    http = Http()
    http.force_login(person)
    return http


def test_staff_who_may_change_users_cannot_give_permissions_to_anybody() -> None:
    http = staff("view_user", "change_user")
    for name in ("olga", "bob"):
        user, _ = User.objects.get_or_create(username=name, defaults={"email": "old@example.com"})
        powers = {"is_staff": "on", "is_superuser": "on", "user_permissions": [Permission.objects.first().pk]}  # type: ignore[union-attr]
        body = {"username": name, "email": "new@example.com", "date_joined_0": "2026-01-01", **powers}
        http.post(reverse("admin:auth_user_change", args=[user.pk]), body | {"date_joined_1": "00:00:00"})
        before = (user.is_staff, False, user.user_permissions.count())
        user.refresh_from_db()
        assert user.email == "new@example.com"
        assert (user.is_staff, user.is_superuser, user.user_permissions.count()) == before


def test_staff_who_may_change_groups_cannot_give_their_members_permissions() -> None:
    group = Group.objects.create(name="helpers")
    http = staff("view_group", "change_group")
    given = Permission.objects.get(codename="delete_user")
    body = {"name": "renamed", "permissions": [given.pk]}
    http.post(reverse("admin:auth_group_change", args=[group.pk]), body)
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("renamed", 0)


def test_superusers_give_permissions_to_groups(root: Http) -> None:
    given = Permission.objects.get(codename="delete_user")
    root.post(reverse("admin:auth_group_add"), {"name": "helpers", "permissions": [given.pk]})
    assert Group.objects.get(name="helpers").permissions.get() == given


def test_staff_can_neither_change_nor_delete_a_superuser() -> None:
    root = User.objects.create_superuser("root", password="old")
    http = staff("view_user", "change_user", "delete_user")
    passwords = {"password1": "a-new-one-1234", "password2": "a-new-one-1234", "usable_password": "true"}
    for page, body in {
        "change": {"username": "taken"},
        "delete": {"post": "yes"},
        "password_change": passwords,
    }.items():
        name = f"admin:auth_user_{page}"
        assert http.post(reverse(name, args=[root.pk]), body).status_code == 403, page
    http.post(reverse(USERS), {"action": "delete_selected", "_selected_action": root.pk, "post": "yes"})
    root.refresh_from_db()
    assert root.username == "root"
    assert root.check_password("old")


def test_superusers_still_give_permissions(root: Http) -> None:
    bob = User.objects.create_user("bob")
    body = {"username": "bob", "is_staff": "on", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    root.post(reverse("admin:auth_user_change", args=[bob.pk]), body)
    bob.refresh_from_db()
    assert bob.is_staff
