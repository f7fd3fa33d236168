"""A client or a user that is deleted loses all access, also while tokens and consents are being created."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models.signals import pre_delete
from django.test import Client as Http
from django.urls import reverse

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from oauth_app.validators import Validator
from tests.oauth_app import flow

User = get_user_model()
REFRESHERS = 4


@contextmanager
def after_django_has_looked(action: Callable[[], Any]) -> Iterator[None]:
    """Do something when the rows to delete have been found, as another process may."""

    def once(**kwargs: Any) -> None:
        pre_delete.disconnect(once, sender=AccessToken)
        action()

    pre_delete.connect(once, sender=AccessToken)
    try:
        yield
    finally:
        pre_delete.disconnect(once, sender=AccessToken)


def unregister(registration: dict[str, Any]) -> int:
    token = registration["registration_access_token"]
    path = f"/register/{registration['client_id']}"
    status: int = Http().delete(path, headers={"authorization": f"Bearer {token}"}).status_code
    return status


def delete_in_admin(row: Any) -> int:
    admin = Http()
    admin.force_login(User.objects.create_superuser("root"))
    page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_delete", args=[row.pk])
    status: int = admin.post(page, {"post": "yes"}).status_code
    return status


DELETIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "client unregisters": unregister,
    "client in the admin": lambda registration: delete_in_admin(Client.objects.get()),
    "user in the admin": lambda registration: delete_in_admin(User.objects.get(username="alice")),
    "client": lambda registration: Client.objects.get().delete(),
    "users": lambda registration: User.objects.filter(username="alice").delete(),
}


@pytest.mark.django_db
@pytest.mark.parametrize("delete", DELETIONS.values(), ids=DELETIONS)
def test_what_is_issued_while_its_client_or_user_is_deleted_is_deleted_too(
    delete: Callable[[dict[str, Any]], Any],
) -> None:
    registration = flow.register(Http()).json()
    connected = flow.connect("alice", registration["client_id"])

    def issue() -> None:
        flow.refresh(connected.http, connected.client_id, connected.refresh)
        flow.allow(connected.http, connected.http.get(flow.authorize_url(connected.client_id)))

    with after_django_has_looked(issue):
        delete(registration)
    assert not any(model.objects.exists() for model in (AccessToken, RefreshToken, Grant))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("delete", [unregister, DELETIONS["user in the admin"]], ids=["client", "user"])
def test_a_thief_who_keeps_refreshing_cannot_hold_off_a_deletion(
    delete: Callable[[dict[str, Any]], Any],
) -> None:
    registration = flow.register(Http()).json()
    connected = flow.connect("alice", registration["client_id"])
    under_way, over = threading.Barrier(REFRESHERS + 1), threading.Event()

    def refresh_until_refused() -> int:
        token = connected.refresh
        try:
            for number in range(1000):
                answer = flow.refresh(Http(), connected.client_id, token)
                if answer.status_code != 200:
                    assert over.wait(30), "refused before the client or user was deleted"
                    return answer.status_code
                token = answer.json()["refresh_token"]
                if number == 0:
                    under_way.wait(30)
            raise AssertionError("nothing ends the refreshing")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(REFRESHERS) as pool:
        refreshing = [pool.submit(refresh_until_refused) for _ in range(REFRESHERS)]
        under_way.wait(30)
        status = delete(registration)
        over.set()
        assert status in (204, 302)
        assert {one.result(30) for one in refreshing} <= {400, 401}
    assert not any(model.objects.exists() for model in (AccessToken, RefreshToken, Grant))


@pytest.mark.django_db
@pytest.mark.parametrize("owner", ["client", "user"])
def test_an_allowed_request_whose_client_or_user_is_being_deleted_is_refused_on_a_page(
    monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    http = Http()
    client_id = flow.register(http).json()["client_id"]
    page = flow.sign_in(http, flow.authorize_url(client_id))
    save = Validator.save_authorization_code

    def save_too_late(*args: Any) -> None:
        (Client if owner == "client" else User).objects.all().delete()
        save(*args)

    monkeypatch.setattr(Validator, "save_authorization_code", save_too_late)
    answer = http.post(flow.form_action(page), {"decision": "allow"})
    assert answer.status_code == 400
    assert "has been deleted" in answer.content.decode()
    assert not Grant.objects.exists()
