"""The lists of the admin: forged selections, and filters by what no page shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from mcp_app.models import LiveSession

EXAMPLES = ("orders",)
"""Apps of docs/examples, whose pages are Django's own."""
MODELS = [
    model
    for model in admin.site._registry
    if model is not LiveSession and model._meta.app_label not in EXAMPLES
]
FORGED = ["x", "1e5", "\x00", "9" * 23, "-" + "9" * 23, "9" * 5000, "", "1\x00", "None"]
HIDDEN = [
    *("oauth_app.accesstoken token_checksum", "oauth_app.accesstoken token", "oauth_app.accesstoken claims"),
    *("oauth_app.refreshtoken token_checksum", "oauth_app.refreshtoken token"),
    *("oauth_app.grant code", "oauth_app.grant code_challenge", "oauth_app.grant claims"),
    *("oauth_app.client client_secret", "oauth_app.client registration_token"),
    *("oauth_app.client accesstoken__token_checksum", "oauth_app.refreshtoken access_token__token_checksum"),
    *("oauth_app.accesstoken application__client_secret", "oauth_app.accesstoken user__password"),
    *("auth.user password", "auth.user oauth_app_accesstoken__token_checksum"),
    *("demo.note text", "demo.note title"),
]


def name_of(model: type[Model]) -> str:
    return model._meta.label_lower


def changelist(label: str) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_changelist")


@pytest.fixture
def root(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def viewer(client: Client, db: None) -> Client:
    """Somebody who may view everything, and change nothing."""
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


@pytest.mark.parametrize("model", MODELS, ids=name_of)
@pytest.mark.parametrize("more", [{}, {"index": "0"}], ids=["button", "list"])
def test_a_forged_selection_selects_nothing(root: Client, model: Any, more: dict[str, str]) -> None:
    url = changelist(name_of(model))
    actions = admin.site._registry[model].get_actions(root.get(url).wsgi_request)
    for action in actions:
        for key in FORGED:
            data = {"action": action, "_selected_action": [key], **more}
            response = root.post(url, data, follow=True)
            assert response.status_code == 200, (action, key)
            assert "Items must be selected" in response.content.decode(), (action, key)


def test_rows_of_a_forged_selection_that_exist_are_selected(root: Client) -> None:
    user = User.objects.create_user("alice")
    data = {"action": "disable", "_selected_action": ["x", str(user.pk), "9" * 23]}
    page = root.post(changelist("auth.user"), data).content.decode()
    assert "Disable 1 user?" in page


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_list_is_not_filtered_by_what_no_page_shows(viewer: Client, hidden: str) -> None:
    label, field = hidden.split()
    assert viewer.get(changelist(label)).status_code == 200
    for lookup in ("", "__startswith", "__gt"):
        response = viewer.get(changelist(label), {field + lookup: "a"})
        assert response.status_code in (302, 400), "refused, or an unknown field"


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_a_list_is_filtered_by_what_its_filters_offer(viewer: Client, model: Any) -> None:
    url = changelist(name_of(model))
    for each in admin.site._registry[model].list_filter:
        value = "2026-01-01 00:00:00+00:00" if each in ("created", "expires", "revoked") else "1"
        assert viewer.get(url, {f"{each}__gte": value}).status_code == 200, each
    assert viewer.get(url, {"pk__in": "1,2"}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_a_list_is_filtered_in_no_way_that_could_fail(viewer: Client, model: Any) -> None:
    viewer.raise_request_exception = False
    url = changelist(name_of(model))
    for field in ("pk", *(each.name for each in model._meta.get_fields())):
        for lookup, value in (
            ("", "x"),
            ("__range", "1"),
            ("__year", "-1"),
            ("__regex", "["),
            ("__in", "\x00"),
        ):
            response = viewer.get(url, {field + lookup: value})
            assert response.status_code in (200, 302, 400), (field, lookup)
