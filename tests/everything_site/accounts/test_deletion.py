"""The notes of a deleted user are deleted with them, and the admin says so beforehand."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from everything_site.demo.models import Note
from oauth_app import verifier
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    """A user with a connected client and two notes, owned by the issuer and subject of her token."""
    token = verifier.find(flow.connect("alice").access)
    assert token
    assert token.claims
    for title in ("One", "Two"):
        Note.objects.create(issuer=token.claims["iss"], subject=token.subject or "", title=title)
    return User.objects.get(username="alice")


@pytest.fixture
def others() -> list[Note]:
    """Notes of somebody else, and of users of another issuer and of none."""
    bob = User.objects.create_user("bob")
    return [
        Note.objects.create(issuer=settings.AUTH_SERVER_URL, subject=str(bob.pk), title="Bob's"),
        *(
            Note.objects.create(issuer=issuer, subject=str(user.pk), title="Foreign")
            for issuer in ("https://auth.example.com", "")
            for user in User.objects.all()
        ),
    ]


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def delete(admin: Client, way: str, person: User, **confirmation: str) -> str:
    if way == "page":
        address = reverse("admin:auth_user_delete", args=[person.pk])
        answer = admin.post(address, confirmation) if confirmation else admin.get(address)
    else:
        body = {"action": "delete_selected", "_selected_action": [str(person.pk)], **confirmation}
        answer = admin.post(reverse("admin:auth_user_changelist"), body)
    return answer.content.decode()


@pytest.mark.parametrize("way", ["page", "action"])
def test_a_user_deleted_in_the_admin_leaves_no_notes(
    admin: Client, alice: User, others: list[Note], way: str
) -> None:
    assert "2 private notes" in delete(admin, way, alice)
    assert Note.objects.count() == 2 + len(others)
    delete(admin, way, alice, post="yes")
    assert not User.objects.filter(pk=alice.pk).exists()
    assert list(Note.objects.all()) == others


@pytest.mark.parametrize("way", ["instance", "queryset"])
def test_a_user_deleted_by_code_leaves_no_notes(alice: User, others: list[Note], way: str) -> None:
    if way == "instance":
        alice.delete()
    else:
        User.objects.filter(username="alice").delete()
    assert list(Note.objects.all()) == others


def test_without_notes_the_confirmation_says_nothing_of_them(admin: Client) -> None:
    assert "private note" not in delete(admin, "page", User.objects.create_user("zoe"))


@pytest.mark.parametrize("may_delete_notes", [True, False])
def test_staff_need_permission_to_delete_the_notes_too(
    client: Client, alice: User, may_delete_notes: bool
) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    needed = Permission.objects.filter(codename__startswith="delete_")
    if not may_delete_notes:
        needed = needed.exclude(codename="delete_note")
    clerk.user_permissions.add(*needed)
    client.force_login(clerk)
    delete(client, "page", alice, post="yes")
    assert User.objects.filter(pk=alice.pk).exists() != may_delete_notes
    assert Note.objects.exists() != may_delete_notes


def test_the_notes_of_a_disabled_user_are_kept(alice: User) -> None:
    alice.is_active = False
    alice.save()
    assert Note.objects.count() == 2
