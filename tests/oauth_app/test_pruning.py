import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import pre_delete
from django.test import Client as Http
from django.utils import timezone

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


def prune(*options):
    out = StringIO()
    call_command("prune_clients", "--json", *options, stdout=out)
    return json.loads(out.getvalue())


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
    assert answer["pruned"] == 1
    [client] = answer["clients"]
    assert client["client_id"] == old
    assert client["reason"] == "never used"
    assert client["source"] == "dcr"
    assert Client.objects.get().client_id == young


def test_a_used_client_is_pruned_when_it_has_expired(alice):
    expire_all()
    Client.objects.update(last_used=timezone.now() - timedelta(days=29))
    assert prune()["pruned"] == 0
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
    assert answer["pruned"] == 1
    assert Client.objects.get().client_id == used
    assert verify(connected[0].access)


def test_a_client_with_access_is_kept(alice):
    Client.objects.update(last_used=None, created=timezone.now() - timedelta(days=400))
    assert prune()["pruned"] == 0
    expire_all()
    assert prune()["pruned"] == 1


def test_a_manually_created_client_is_kept():
    aged(400, registration_source="manual")
    assert prune()["pruned"] == 0


def test_a_client_identified_by_a_url_is_pruned_too():
    aged(400, registration_source="cimd")
    assert [client["reason"] for client in prune()["clients"]] == ["expired"]


def test_a_disabled_client_identified_by_a_url_is_kept():
    kept = aged(400, registration_source="cimd", is_enabled=False)
    aged(400, is_enabled=False)
    assert prune()["pruned"] == 1
    assert Client.objects.get().client_id == kept


def test_a_dry_run_changes_nothing():
    aged(8)
    answer = prune("--dry-run")
    assert (answer["dry_run"], answer["pruned"]) == (True, 1)
    assert Client.objects.exists()


def test_it_reports_what_it_did():
    client_id = aged(8)
    out = StringIO()
    call_command("prune_clients", "--dry-run", stdout=out)
    assert client_id in out.getvalue()
    assert "Would be deleted: 1" in out.getvalue()


def test_the_time_outs_can_be_set_but_not_to_zero():
    aged(3)
    assert prune("--never-used-days", "2")["pruned"] == 1
    with pytest.raises(CommandError):
        prune("--never-used-days", "0")
