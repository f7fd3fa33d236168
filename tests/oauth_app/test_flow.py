"""The complete flow of a client: registration, sign-in, consent, token, use, refresh."""

import pytest
from django.test import Client as Http

from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


def test_it_works(client, verify):
    client_id = flow.register(client).json()["client_id"]

    page = flow.sign_in(client, flow.authorize_url(client_id, scope="mcp offline_access"))
    assert page.status_code == 200
    answer = flow.allow(client, page)
    assert answer["state"] == "xyz"
    assert answer["iss"] == flow.ISSUER

    tokens = flow.exchange(client, client_id, answer["code"])
    assert tokens.status_code == 200
    assert tokens["Cache-Control"] == "no-store"
    body = tokens.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["scope"] == "mcp offline_access"

    verified = verify(body["access_token"])
    assert verified.client_id == client_id
    assert verified.scopes == ["mcp", "offline_access"]
    assert verified.resource == flow.RESOURCE
    assert verified.claims["iss"] == flow.ISSUER
    assert verified.claims["username"] == "alice"
    assert verified.claims["client_name"] == "Test Client"

    renewed = flow.refresh(client, client_id, body["refresh_token"])
    assert renewed.status_code == 200
    assert renewed.json()["scope"] == "mcp offline_access"
    assert verify(renewed.json()["access_token"]).subject == verified.subject


def test_programs_need_no_csrf_token():
    http = Http(enforce_csrf_checks=True)
    registered = flow.register(http).json()
    headers = {"authorization": f"Bearer {registered['registration_access_token']}"}
    path = f"/register/{registered['client_id']}"
    body = {"redirect_uris": [flow.CALLBACK], "token_endpoint_auth_method": "none"}
    changed = http.put(path, body, content_type="application/json", headers=headers)
    assert changed.status_code == 200
    headers = {"authorization": f"Bearer {changed.json()['registration_access_token']}"}
    assert http.post("/token", {}).status_code in (400, 401)
    assert http.post("/revoke", {}).status_code in (400, 401)
    assert http.post("/introspect", {}).status_code == 401
    assert http.delete(path, headers=headers).status_code == 204
