import pytest
from django.db.models import QuerySet

from oauth_app.clients import resource_servers
from oauth_app.models import Client
from tests.oauth_app import flow

SECRET = "s" * 40


def test_it_may_introspect_with_its_secret_and_creating_it_again_changes_nothing(alice):
    made = resource_servers.ensure("mcp-server", SECRET)
    assert resource_servers.ensure("mcp-server", SECRET).updated == made.updated
    body = {"client_id": "mcp-server", "client_secret": SECRET, "token": alice.access}
    assert alice.http.post("/introspect", body).json()["active"] is True


def test_two_processes_may_create_it_at_once(db, monkeypatch):
    def find_none_just_before_it_is_created(rows, *args, **kwargs):
        monkeypatch.undo()
        Client.objects.create(client_id="mcp-server", name="MCP server")
        raise Client.DoesNotExist

    monkeypatch.setattr(QuerySet, "get", find_none_just_before_it_is_created)
    made = resource_servers.ensure("mcp-server", SECRET)
    assert made == Client.objects.get()
    assert made.has_secret(SECRET)


def test_a_new_secret_replaces_the_old_one(alice):
    resource_servers.ensure("mcp-server", SECRET)
    resource_servers.ensure("mcp-server", "t" * 40)
    body = {"client_id": "mcp-server", "client_secret": SECRET, "token": alice.access}
    assert alice.http.post("/introspect", body).status_code == 401


def test_it_keeps_no_readable_secret(db):
    resource_servers.ensure("mcp-server", SECRET)
    assert SECRET not in Client.objects.values_list("client_secret", flat=True)


def test_a_secret_that_can_be_guessed_is_refused(db):
    with pytest.raises(resource_servers.Refused, match="32 characters"):
        resource_servers.ensure("mcp-server", "secret")


def test_a_client_that_registered_itself_is_not_promoted(client, db):
    client_id = flow.register(client).json()["client_id"]
    with pytest.raises(resource_servers.Refused, match="another kind"):
        resource_servers.ensure(client_id, SECRET)
    assert not Client.objects.get().is_resource_server
