import re

import pytest
from django.apps import apps
from django.contrib.admin import site as admin_site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import pre_save
from django.urls import ResolverMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from tests.oauth_app import flow

MODELS = ["client", "grant", "accesstoken", "refreshtoken"]


@pytest.fixture
def admin(client, alice):
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.mark.parametrize("model", MODELS)
def test_lists_and_pages_show_no_secret(admin, alice, model):
    row = apps.get_model("oauth_app", model)._default_manager.get()
    pages = [
        admin.get(reverse(f"admin:oauth_app_{model}_changelist")),
        admin.get(reverse(f"admin:oauth_app_{model}_changelist"), {"q": "alice"}),
        admin.get(reverse(f"admin:oauth_app_{model}_change", args=[row.pk])),
    ]
    kept = [
        alice.access,
        alice.refresh,
        alice.code,
        AccessToken.objects.get().token_checksum,
        RefreshToken.objects.get().token_checksum,
        Grant.objects.get().code,
        Grant.objects.get().code_challenge,
        Client.objects.get().registration_token,
    ]
    for page in pages:
        assert page.status_code == 200
        for value in kept:
            assert value not in page.content.decode()


@pytest.mark.parametrize("model", ["grant", "accesstoken", "refreshtoken"])
def test_rows_are_made_by_the_flows_only(admin, alice, model):
    assert admin.get(reverse(f"admin:oauth_app_{model}_add")).status_code == 403


@pytest.mark.parametrize("site", ["admin", "backoffice"])
@pytest.mark.parametrize("model", [AccessToken, RefreshToken, Grant])
def test_rows_are_revoked_and_not_deleted_whatever_the_site_is_called(rf, alice, model, site):
    rows = admin_site._registry[model]
    request = rf.post("/")
    request.user = User.objects.create_superuser("root")
    page = f"oauth_app_{model._meta.model_name}_delete"
    request.resolver_match = ResolverMatch(rows.delete_view, (), {}, page, ["admin"], [site])
    assert not rows.has_delete_permission(request)


@pytest.mark.parametrize(
    ("model", "stored"), [("accesstoken", AccessToken), ("refreshtoken", RefreshToken), ("grant", Grant)]
)
def test_revoking_ends_the_family(admin, alice, verify, model, stored):
    answer = admin.post(
        reverse(f"admin:oauth_app_{model}_changelist"),
        {"action": "revoke", "_selected_action": [stored.objects.get().pk], "confirmed": "yes"},
    )
    assert answer.status_code == 302
    assert verify(alice.access) is None
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400


def test_the_client_list_shows_the_origin_and_tokens_of_a_client(admin, alice):
    page = admin.get(reverse("admin:oauth_app_client_changelist")).content.decode()
    assert "Dynamic Client Registration" in page
    assert '<td class="field-live_tokens">1</td>' in page


def test_clients_of_the_same_name_can_be_told_apart(admin, alice):
    one = Client.objects.get()
    other = Client.objects.create(
        client_id="0123456789abcdef", name=one.name, redirect_uris=one.redirect_uris
    )
    changelist = reverse("admin:oauth_app_client_changelist")
    question = {"action": "disable", "_selected_action": [one.pk, other.pk]}
    delete = reverse("admin:oauth_app_client_delete", args=[other.pk])
    for page in (admin.get(changelist), admin.post(changelist, question)):
        for client in (one, other):
            assert f"{client.name} ({client.client_id[:8]}…)" in page.content.decode()
    assert "01234567…" in admin.get(delete).content.decode()


def test_a_client_is_found_by_the_name_of_its_user_and_its_tokens_are_counted_once(admin, alice):
    Client.objects.create(client_id="another", name="Another", redirect_uris="https://a.example/cb")
    changelist = reverse("admin:oauth_app_client_changelist")
    page = admin.get(changelist, {"q": AccessToken.objects.get().user.username}).content.decode()
    assert '<td class="field-live_tokens">1</td>' in page
    assert "Another" not in page
    assert "Another" in admin.get(changelist, {"q": "anoth"}).content.decode()
    assert "0 clients" in admin.get(changelist, {"q": "nobody-of-this-name"}).content.decode()


@pytest.mark.parametrize("action", ["revoke", "disable"])
def test_a_client_loses_its_access_when_the_question_is_answered(admin, alice, verify, action):
    changelist = reverse("admin:oauth_app_client_changelist")
    body = {"action": action, "_selected_action": [Client.objects.get().pk]}
    question = admin.post(changelist, body)
    assert question.status_code == 200
    text = question.content.decode()
    assert "Test Client" in text
    assert "1 access token and 1 refresh token of 1 user will be revoked" in text
    assert verify(alice.access), "nothing happens before the answer"
    answer = admin.post(changelist, body | {"confirmed": "yes"})
    assert answer.status_code == 302
    assert verify(alice.access) is None
    assert Client.objects.get().is_enabled == (action != "disable")


def test_a_disabled_client_can_be_enabled_again(admin, alice, verify):
    client = Client.objects.get()
    client.disable()
    page = reverse("admin:oauth_app_client_change", args=[client.pk])
    assert buttons(admin.get(page)) == ["revoke", "enable"]
    admin.post(
        reverse("admin:oauth_app_client_changelist"), {"action": "enable", "_selected_action": client.pk}
    )
    assert Client.objects.get().is_enabled
    assert verify(alice.access) is None
    assert buttons(admin.get(page)) == ["revoke", "disable"]


def buttons(page):
    """The actions that the page of a row offers."""
    return re.findall(r'name="action" value="(\w+)"', page.content.decode())


def test_actions_are_noted_in_the_history(admin, alice):
    client = Client.objects.get()
    changelist = reverse("admin:oauth_app_client_changelist")
    for action, note in {"disable": "Disabled.", "enable": "Enabled.", "revoke": "Access revoked."}.items():
        admin.post(changelist, {"action": action, "_selected_action": client.pk, "confirmed": "yes"})
        entry = LogEntry.objects.all()[0]
        assert (entry.user.username, entry.object_id) == ("root", str(client.pk))
        assert note in entry.get_change_message()
        history = admin.get(reverse("admin:oauth_app_client_history", args=[client.pk])).content.decode()
        assert note in history


def form_of(client, **changes):
    return {
        "name": client.name,
        "client_id": client.client_id,
        "redirect_uris": client.redirect_uris,
        "application_type": client.application_type,
        "auth_method": client.auth_method,
    } | changes


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_form_of_a_client_changes_neither_its_id_nor_whether_it_is_enabled(admin, alice, is_enabled):
    client = Client.objects.get()
    Client.objects.update(is_enabled=is_enabled)
    body = form_of(client, name="Renamed", client_id="other", is_enabled="" if is_enabled else "on")
    answer = admin.post(reverse("admin:oauth_app_client_change", args=[client.pk]), body)
    assert answer.status_code == 302, answer.content.decode()
    kept = Client.objects.get()
    assert (kept.name, kept.client_id, kept.is_enabled) == ("Renamed", client.client_id, is_enabled)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("none", "public"), ("client_secret_basic", "confidential"), ("client_secret_post", "confidential")],
)
def test_a_client_is_confidential_exactly_if_it_has_a_secret(admin, method, kind):
    body = form_of(Client(client_id="x", redirect_uris="https://a.example/cb"), auth_method=method)
    page = admin.post(reverse("admin:oauth_app_client_add"), body | {"client_type": "public"}, follow=True)
    made = Client.objects.get(client_id="x")
    assert made.client_type == kind
    assert ("will not be shown again" in page.content.decode()) == (kind == "confidential")


@pytest.mark.parametrize("client_id", ["caf\xe9", "\uff41bc", "a\x7f"])
def test_a_client_gets_no_id_that_authorize_would_refuse(admin, client_id):
    body = form_of(Client(client_id=client_id, redirect_uris="https://a.example/cb"))
    page = admin.post(reverse("admin:oauth_app_client_add"), body).content.decode()
    assert "A client id may contain only characters of ASCII." in page


def authentication_set(admin, client, method):
    """Change in the form how a client authenticates; returns the client and its new secret, if any."""
    url = reverse("admin:oauth_app_client_change", args=[client.pk])
    page = admin.post(url, form_of(client, auth_method=method), follow=True).content.decode()
    shown = re.search("will not be shown again: ([^<]*)", page)
    return Client.objects.get(), shown and shown[1].strip()


def test_a_secret_ends_when_its_client_becomes_public(admin, alice):
    made, first = authentication_set(admin, Client.objects.get(), "client_secret_basic")
    assert made.has_secret(first)
    public, secret = authentication_set(admin, made, "none")
    assert (public.client_secret, secret) == ("", None)
    again, second = authentication_set(admin, public, "client_secret_post")
    assert again.has_secret(second)
    assert not again.has_secret(first)
    kept, secret = authentication_set(admin, again, "client_secret_basic")
    assert kept.has_secret(second)
    assert secret is None


def test_a_change_between_public_and_confidential_revokes_all_access(admin, alice, verify):
    client, _ = authentication_set(admin, Client.objects.get(), "none")
    assert verify(alice.access) is not None
    authentication_set(admin, client, "client_secret_basic")
    assert verify(alice.access) is None
    assert not AccessToken.objects.exists()


def test_a_public_client_has_no_secret_whatever_is_stored(alice):
    client = Client.objects.get()
    secret = client.new_client_secret()
    assert client.is_public
    assert not client.has_secret(secret)


def test_saving_a_client_that_is_deleted_meanwhile_says_so(admin, alice):
    client = Client.objects.get()

    def delete(instance, **kwargs):
        Client.objects.filter(pk=instance.pk).delete()

    pre_save.connect(delete, sender=Client)
    try:
        url = reverse("admin:oauth_app_client_change", args=[client.pk])
        page = admin.post(url, form_of(client, name="Renamed"), follow=True)
    finally:
        pre_save.disconnect(delete, sender=Client)
    assert page.status_code == 200
    assert "The client was deleted while you edited it. Nothing was saved." in page.content.decode()


def test_a_resource_server_is_created_manually_and_its_secret_shown_once(admin):
    body = {
        "name": "MCP server",
        "client_id": "mcp-server",
        "is_enabled": "on",
        "redirect_uris": "",
        "application_type": "web",
        "client_type": "confidential",
        "auth_method": "client_secret_basic",
        "is_resource_server": "on",
    }
    answer = admin.post(reverse("admin:oauth_app_client_add"), body, follow=True)
    made = Client.objects.get(client_id="mcp-server")
    assert made.registration_source == "manual"
    text = answer.content.decode()
    secret = text.partition("will not be shown again: ")[2].partition("<")[0].strip()
    assert made.has_secret(secret)
    page = admin.get(reverse("admin:oauth_app_client_change", args=[made.pk])).content.decode()
    assert secret not in page


def test_a_client_with_a_hostile_redirect_cannot_be_saved(admin, alice):
    body = {
        "name": "x",
        "client_id": "x",
        "redirect_uris": "http://evil.example/cb https://fine.example/cb",
        "application_type": "web",
        "client_type": "public",
        "auth_method": "none",
        "is_resource_server": "on",
    }
    answer = admin.post(reverse("admin:oauth_app_client_add"), body)
    assert answer.status_code == 200
    assert "must use https" in answer.content.decode()
    assert "A public client cannot authenticate itself" in answer.content.decode()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", ["A client needs a redirect URI"]),
        ("foo://x/cb", ["foo://x/cb must use https"]),
        (
            "https://a.example/#x ftp://b.example/",
            ["must not have a fragment", "ftp://b.example/ must use https"],
        ),
    ],
)
def test_errors_in_redirects_are_explained(admin, typed, says):
    body = {
        "client_id": "x",
        "redirect_uris": typed,
        "application_type": "web",
        "client_type": "public",
        "auth_method": "none",
    }
    page = admin.post(reverse("admin:oauth_app_client_add"), body).content.decode()
    assert all(one in page for one in says)
    assert "grant_type" not in page
    assert "invalid_scheme" not in page
    assert not Client.objects.filter(client_id="x").exists()


def test_dates_have_a_consistent_format(admin, alice):
    known = Client.objects.get()
    table = admin.get(reverse("admin:oauth_app_client_changelist")).content.decode()
    form = admin.get(reverse("admin:oauth_app_client_change", args=[known.pk])).content.decode()
    assert date_format(known.created, "DATETIME_FORMAT") in form
    for page in (table, form):
        assert date_format(known.expires, "DATETIME_FORMAT") in page


@pytest.mark.parametrize("is_aware", [True, False])
def test_the_dates_of_a_client_are_shown_with_and_without_time_zones(admin, settings, is_aware):
    settings.USE_TZ = is_aware
    now = timezone.now()
    known = Client.objects.create(
        client_id="used",
        name="Used",
        redirect_uris="https://a.example/",
        registration_source=Client.RegistrationSource.DCR,
        last_used=now,
    )
    table = admin.get(reverse("admin:oauth_app_client_changelist")).content.decode()
    form = admin.get(reverse("admin:oauth_app_client_change", args=[known.pk])).content.decode()
    for page in (table, form):
        assert date_format(now, "DATETIME_FORMAT") in page
        assert date_format(known.expires, "DATETIME_FORMAT") in page


def test_a_manually_created_client_never_expires(admin):
    made = Client.objects.create(client_id="by-hand", name="By hand", redirect_uris="https://a.example/")
    text = admin.get(reverse("admin:oauth_app_client_change", args=[made.pk])).content.decode()
    expires = text[text.index("field-expires_at") :]
    assert re.findall(r'<div class="readonly">([^<]*)</div>', expires)[0] == "never"


def test_unused_types_are_hidden(admin, alice):
    page = admin.get(reverse("admin:index")).content.decode()
    assert "idtoken" not in page
    for model in (*MODELS, "user"):
        assert f"/{model}/" in page


@pytest.mark.parametrize("path", ["change", "view on site"])
def test_a_client_has_no_page_on_the_site_and_no_link_to_one(admin, alice, path):
    client = Client.objects.get()
    kind = ContentType.objects.get_for_model(Client).pk
    if path == "change":
        page = admin.get(reverse("admin:oauth_app_client_change", args=[client.pk]))
        assert page.status_code == 200
        assert "View on site" not in page.content.decode()
    else:
        assert admin.get(reverse("admin:view_on_site", args=[kind, client.pk])).status_code == 404


@pytest.mark.parametrize("model", ["client", "user"])
@pytest.mark.parametrize("way", ["page", "action"])
def test_a_user_with_tokens_can_be_deleted_with_them(admin, alice, verify, model, way):
    row = Client.objects.get() if model == "client" else User.objects.get(username="alice")
    where = f"admin:{row._meta.app_label}_{model}"
    if way == "page":
        answer = admin.post(reverse(f"{where}_delete", args=[row.pk]), {"post": "yes"})
    else:
        body = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        answer = admin.post(reverse(f"{where}_changelist"), body)
    assert answer.status_code == 302, answer.content.decode()
    assert not type(row).objects.filter(pk=row.pk).exists()
    assert not any(kept.objects.exists() for kept in (AccessToken, RefreshToken, Grant))
    assert verify(alice.access) is None


@pytest.mark.parametrize("model", ["grant", "accesstoken", "refreshtoken"])
def test_the_tokens_of_a_consent_are_revoked_and_never_deleted_manually(admin, alice, model):
    row = apps.get_model("oauth_app", model)._default_manager.get()
    assert (
        admin.post(reverse(f"admin:oauth_app_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code
        == 403
    )
    body = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    admin.post(reverse(f"admin:oauth_app_{model}_changelist"), body)
    assert type(row).objects.filter(pk=row.pk).exists()


def test_staff_without_permission_to_delete_tokens_cannot_delete_their_user(client, alice):
    clerk = User.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=["delete_user", "view_user"]))
    client.force_login(clerk)
    person = User.objects.get(username="alice")
    assert (
        client.post(reverse("admin:auth_user_delete", args=[person.pk]), {"post": "yes"}).status_code == 403
    )
    assert User.objects.filter(pk=person.pk).exists()
