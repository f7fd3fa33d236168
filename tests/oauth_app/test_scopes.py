"""The scopes are those that the project names, and the two that every client knows."""

import pytest

from tests.oauth_app import flow


@pytest.fixture(autouse=True)
def scopes(settings):
    settings.OAUTH_SCOPES = {"orders:write": "Refund orders", "mcp": "Use the shop on your behalf"}
    settings.OAUTH_FURTHER_SCOPES = []


def test_a_scope_of_the_project_is_announced_asked_for_and_granted(client, db, verify):
    supported = client.get("/.well-known/oauth-authorization-server").json()["scopes_supported"]
    assert supported == ["mcp", "orders:write", "offline_access"]
    client_id = flow.register(client).json()["client_id"]
    page = flow.sign_in(client, flow.authorize_url(client_id, scope="mcp orders:write"))
    assert "Refund orders" in page.content.decode()
    assert "Use the shop on your behalf" in page.content.decode()
    code = flow.allow(client, page)["code"]
    token = verify(flow.exchange(client, client_id, code).json()["access_token"])
    assert token.scopes == ["mcp", "orders:write"]
    assert "Refund orders" in client.get("/connections").content.decode()


def test_a_further_scope_is_offered_to_clients_that_do_not_ask_for_it(client, db, settings, verify):
    settings.OAUTH_FURTHER_SCOPES = ["orders:write"]
    client_id = flow.register(client).json()["client_id"]
    page = flow.sign_in(client, flow.authorize_url(client_id))
    answer = client.post(flow.form_action(page), {"decision": "allow", "also": "orders:write"})
    token = verify(flow.exchange(client, client_id, flow.parameters(answer)["code"]).json()["access_token"])
    assert token.scopes == ["mcp", "orders:write"]


def test_a_scope_that_the_project_does_not_name_is_refused_with_those_that_it_does(client, db):
    client_id = flow.register(client).json()["client_id"]
    page = client.get(flow.authorize_url(client_id, scope="mcp mcp:admin"))
    assert page.status_code == 400
    assert "The scopes of this server are: mcp, orders:write, offline_access." in page.content.decode()
