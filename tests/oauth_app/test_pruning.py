import json
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_delete
from django.test import Client as Http
from django.utils import timezone

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


def prune(*options):
    out = StringIO()
    call_command("prune", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


def deleted(*options):
    """How many clients are deleted."""
    return prune(*options)["deleted"]["clients"]


def aged(days, **fields):
    client_id = flow.register(Http()).json()["client_id"]
    Client.objects.filter(client_id=client_id).update(created=timezone.now() - timedelta(days=days), **fields)
    return client_id


def expire_all():
    for model in (AccessToken, RefreshToken, Grant):
        model.objects.update(expires=timezone.now() - timedelta(days=1))


def test_it_works():
    old, young = aged(8), aged(6)
    answer = prune()
    assert answer["dry_run"] is False
    assert answer["deleted"] == {"tokens": 0, "sessions": 0, "clients": 1}
    [client] = answer["clients"]
    assert client["client_id"] == old
    assert client["reason"] == "never used"
    assert client["source"] == "dcr"
    assert Client.objects.get().client_id == young


def test_a_used_client_is_pruned_when_it_has_expired(alice):
    expire_all()
    Client.objects.update(last_used=timezone.now() - timedelta(days=29))
    assert deleted() == 0
    Client.objects.update(last_used=timezone.now() - timedelta(days=31))
    assert prune()["clients"][0]["reason"] == "expired"
    assert not Client.objects.exists()


def test_a_client_that_somebody_connects_while_others_are_deleted_is_kept(verify):
    """The list was made before; looking at it again, while nobody can use the client, is what counts."""
    aged(30)
    used = aged(8)
    connected: list[flow.Connected] = []

    def connect(instance, **kwargs):
        if not connected:
            connected.append(flow.connect("alice", client_id=used))

    pre_delete.connect(connect, sender=Client)
    try:
        answer = prune()
    finally:
        pre_delete.disconnect(connect, sender=Client)
    assert answer["deleted"]["clients"] == 1
    assert Client.objects.get().client_id == used
    assert verify(connected[0].access)


def test_a_client_with_access_is_kept(alice):
    Client.objects.update(last_used=None, created=timezone.now() - timedelta(days=400))
    assert deleted() == 0
    expire_all()
    assert deleted() == 1


def test_a_manually_created_client_is_kept():
    aged(400, registration_source="manual")
    assert deleted() == 0


def test_a_client_identified_by_a_url_is_pruned_too():
    aged(400, registration_source="cimd")
    assert [client["reason"] for client in prune()["clients"]] == ["expired"]


def test_a_disabled_client_identified_by_a_url_is_kept():
    kept = aged(400, registration_source="cimd", is_enabled=False)
    aged(400, is_enabled=False)
    assert deleted() == 1
    assert Client.objects.get().client_id == kept


def test_a_dry_run_changes_nothing():
    aged(8)
    answer = prune("--dry-run")
    assert (answer["dry_run"], len(answer["clients"])) == (True, 1)
    assert Client.objects.exists()


def test_it_reports_what_it_did():
    client_id = aged(8)
    out = StringIO()
    call_command("prune", "--dry-run", stdout=out)
    assert client_id in out.getvalue()
    assert "would be deleted: 1" in out.getvalue()
    assert Client.objects.exists()


def test_it_says_what_it_is_doing_and_what_it_did():
    aged(8)
    out = StringIO()
    call_command("prune", stdout=out)
    *steps, result = out.getvalue().splitlines()
    assert len(steps) == 3
    assert result == "Deleted: 0 tokens and codes, 0 sign-ins, 1 clients"
    call_command("prune", "--verbosity", "0", stdout=(silent := StringIO()))
    assert silent.getvalue() == ""


def test_it_says_how_far_it_is_if_there_are_many_clients(monkeypatch):
    monkeypatch.setattr("oauth_app.management.commands.prune._PROGRESS_CLIENTS", 2)
    for _ in range(5):
        aged(8)
    out = StringIO()
    call_command("prune", stdout=out)
    assert [line for line in out.getvalue().splitlines() if line.endswith("so far")] == [
        "  2 so far",
        "  4 so far",
    ]


def test_expired_tokens_and_codes_go_and_are_counted(alice):
    flow.refresh(alice.http, alice.client_id, alice.refresh)
    rows = sum(model.objects.count() for model in (AccessToken, RefreshToken, Grant))
    long_ago = timezone.now() - timedelta(days=30)
    for model in (AccessToken, RefreshToken, Grant):
        model.objects.update(expires=long_ago)
    assert prune()["deleted"]["tokens"] == rows
    assert not any(model.objects.exists() for model in (AccessToken, RefreshToken, Grant))


def test_a_working_connection_is_left_alone(alice, verify):
    prune()
    assert verify(alice.access)
    assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 200


def test_expired_sign_ins_go_and_others_stay(alice):
    sessions = import_module(settings.SESSION_ENGINE).SessionStore
    kept, expired = sessions(), sessions()
    kept.create()
    expired.set_expiry(-1)
    expired.create()
    assert prune()["deleted"]["sessions"] == 1
    assert sessions().exists(kept.session_key)
    assert not sessions().exists(expired.session_key)


def test_sign_ins_that_are_not_in_the_database_are_not_counted(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert prune()["deleted"]["sessions"] == 0


def test_the_time_outs_can_be_set_but_not_to_zero():
    aged(3)
    assert deleted("--never-used-days", "2") == 1
    for days in ("0", "999999", "999999999999"):
        with pytest.raises(CommandError):
            prune("--never-used-days", days)
