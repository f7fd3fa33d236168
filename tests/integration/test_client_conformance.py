"""Client conformance turned around: what the official suite checks in clients, seen from the server.

Each class is a scenario of the suite (src/scenarios/client/auth): what a client that passes it reads of a
server, ours says; and what such a client sends, ours takes.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Http
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    validate_authorization_response_iss,
    validate_metadata_issuer,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import resource_url_from_server_url

from mcp_app.transports.errors import challenge
from oauth_app.models import Client
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


@pytest.fixture
def challenged() -> dict[str, str]:
    """The parameters of the 401's challenge."""
    [(_, value)] = challenge(401, None, "A bearer token is required.").headers
    return dict(re.findall(r'(\w+)="([^"]*)"', value.decode()))


@pytest.fixture
def resource(client: Http) -> ProtectedResourceMetadata:
    return ProtectedResourceMetadata.model_validate(
        client.get("/.well-known/oauth-protected-resource/mcp").json()
    )


@pytest.fixture
def server(client: Http) -> OAuthMetadata:
    return OAuthMetadata.model_validate(client.get("/.well-known/oauth-authorization-server").json())


def path_of(url: str) -> str:
    assert url.startswith(flow.ISSUER)
    return url.removeprefix(flow.ISSUER)


class TestMetadata:
    """metadata-default, metadata-var1 to 3: every order of discovery arrives."""

    def test_the_metadata_is_at_every_place_where_clients_look(self, client, challenged):
        places = build_protected_resource_metadata_discovery_urls(
            challenged["resource_metadata"], flow.RESOURCE
        )
        assert places[0] == places[1], "the challenge names the place with the path"
        documents = [client.get(path_of(place)).json() for place in places]
        assert documents[0] == documents[1] == documents[2]

    def test_the_first_place_of_the_servers_metadata_is_the_right_one(self, client, resource):
        [issuer] = map(str, resource.authorization_servers)
        first, *others = build_oauth_authorization_server_metadata_discovery_urls(
            issuer.rstrip("/"), flow.RESOURCE
        )
        assert client.get(path_of(first)).status_code == 200
        for place in others:  # OpenID Connect, which is not served: a client then goes on
            assert client.get(path_of(place)).status_code == 404

    def test_clients_may_send_their_revision_along(self, client):
        headers = {"mcp-protocol-version": "2025-11-25"}
        assert client.get("/.well-known/oauth-authorization-server", headers=headers).status_code == 200

    def test_pkce_is_there_to_be_seen(self, server):
        assert server.code_challenge_methods_supported == ["S256"]

    def test_the_endpoints_answer_where_the_metadata_says(self, client, server):
        assert client.get(path_of(str(server.authorization_endpoint)) + "?prompt=none").status_code == 400
        assert client.post(path_of(str(server.token_endpoint))).status_code in (400, 401)
        assert client.post(path_of(str(server.registration_endpoint))).status_code == 400


class TestScopes:
    """scope-from-www-authenticate, -from-scopes-supported, -omitted-when-undefined, -retry-limit."""

    def test_challenge_and_metadata_ask_for_the_same(self, challenged, resource):
        assert challenged["scope"].split() == resource.scopes_supported == ["mcp"]

    def test_a_client_that_requests_no_scope_gets_the_base_scope(self, alice):
        assert alice.tokens["scope"] == "mcp"

    def test_the_answer_names_the_scopes_that_were_given(self, db):
        assert flow.connect("bob", scope="mcp mcp:admin").tokens["scope"] == "mcp mcp:admin"

    def test_the_same_call_always_gets_the_same_challenge(self):
        needed = ("mcp", "mcp:admin")
        answers = [challenge(403, "insufficient_scope", "x", needed).headers for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        assert b'error="insufficient_scope"' in answers[0][0][1]
        assert b'scope="mcp mcp:admin"' in answers[0][0][1]


class TestStepUp:
    """scope-step-up, sep-2350-scope-union-on-reauth; with the official client in test_step_up.py."""

    def test_a_second_authorization_gives_the_union_that_is_asked_for(self, alice):
        more = flow.connect("alice", alice.client_id, Http(), scope="mcp mcp:admin offline_access")
        assert more.tokens["scope"] == "mcp mcp:admin offline_access"

    def test_the_first_token_remains_valid(self, alice, verify):
        flow.connect("alice", alice.client_id, Http(), scope="mcp mcp:admin")
        assert verify(alice.access).scopes == ["mcp"]


class TestIssuer:
    """iss-supported, iss-wrong-issuer, iss-normalized, metadata-issuer-mismatch."""

    def test_the_issuer_is_exactly_the_same_everywhere(self, client, server):
        resource = client.get("/.well-known/oauth-protected-resource/mcp").json()
        document = client.get("/.well-known/oauth-authorization-server").json()
        assert resource["authorization_servers"] == [document["issuer"]]
        validate_metadata_issuer(server, str(server.issuer))

    @pytest.mark.parametrize("decision", ["allow", "deny"])
    def test_the_response_names_the_issuer(self, client, server, decision):
        client_id = flow.register(client).json()["client_id"]
        page = flow.sign_in(client, flow.authorize_url(client_id))
        flow.allow(client, page)  # an error redirects only to a client that was allowed before
        answer = flow.parameters(client.post(flow.form_action(page), {"decision": decision}))
        assert server.authorization_response_iss_parameter_supported is True
        assert answer["iss"] == flow.ISSUER
        validate_authorization_response_iss(answer["iss"], server)


class TestTokenEndpointAuthentication:
    """token-endpoint-auth-none, -basic, -post: each that is advertised works."""

    @pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
    def test_a_client_authenticates_as_it_registered(self, client, server, method):
        assert method in (server.token_endpoint_auth_methods_supported or [])
        registered = flow.register(client, token_endpoint_auth_method=method).json()
        assert registered["token_endpoint_auth_method"] == method
        client_id, secret = registered["client_id"], registered.get("client_secret", "")
        code = flow.allow(client, flow.sign_in(client, flow.authorize_url(client_id)))["code"]
        more: dict[str, Any] = {"client_secret": secret} if method == "client_secret_post" else {}
        headers = {}
        if method == "client_secret_basic":
            basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
            headers, more = {"authorization": f"Basic {basic}"}, {"client_id": None}
        body = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "code_verifier": flow.VERIFIER,
            "redirect_uri": flow.CALLBACK,
        } | more
        sent = {name: value for name, value in body.items() if value is not None}
        assert client.post("/token", sent, headers=headers).status_code == 200


class TestResource:
    """resource-parameter-in-authorization, -in-token, -valid-uri, -consistency; resource-mismatch."""

    def test_the_resource_is_the_address_of_the_endpoint(self, client):
        said = client.get("/.well-known/oauth-protected-resource/mcp").json()["resource"]
        assert said == flow.RESOURCE == resource_url_from_server_url(flow.RESOURCE)
        assert "#" not in said
        assert not said.endswith("/")

    @pytest.mark.parametrize("sent", [flow.RESOURCE, flow.RESOURCE + "/", None])
    def test_it_is_accepted_in_both_requests_and_binds_the_token(self, db, verify, sent):
        http = Http()
        client_id = flow.register(http).json()["client_id"]
        code = flow.allow(http, flow.sign_in(http, flow.authorize_url(client_id, resource=sent)))["code"]
        token = flow.exchange(http, client_id, code, resource=sent).json()["access_token"]
        assert verify(token).resource == flow.RESOURCE


class TestOfflineAccess:
    """offline-access-scope, offline-access-not-supported (SEP-2207)."""

    def test_the_server_offers_it_and_the_resource_does_not_ask_for_it(self, server, resource, challenged):
        assert "offline_access" in (server.scopes_supported or [])
        assert "refresh_token" in (server.grant_types_supported or [])
        assert "offline_access" not in (resource.scopes_supported or [])
        assert "offline_access" not in challenged["scope"].split()

    def test_a_client_that_requests_it_gets_it_and_a_refresh_token(self, db):
        connected = flow.connect("alice", scope="mcp offline_access")
        assert connected.tokens["scope"] == "mcp offline_access"
        assert flow.refresh(connected.http, connected.client_id, connected.refresh).status_code == 200


class TestRegistration:
    """basic-cimd, pre-registration, authorization-server-migration."""

    def test_documents_of_clients_are_taken(self, server):
        assert server.client_id_metadata_document_supported is True

    def test_a_manually_created_client_needs_no_registration(self, client):
        made = Client(client_id="by-hand", client_type="confidential", auth_method="client_secret_post")
        made.redirect_uris = flow.CALLBACK
        secret = made.new_client_secret()
        made.save()
        client.force_login(User.objects.create_user("alice"))
        code = flow.allow(client, client.get(flow.authorize_url("by-hand")))["code"]
        assert flow.exchange(client, "by-hand", code, client_secret=secret).status_code == 200

    def test_credentials_of_another_server_make_clients_register_again(self, client):
        answer = flow.refresh(client, "from-another-server", "token")
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"


class TestMarch2025:
    """2025-03-26-oauth-metadata-backcompat, 2025-03-26-oauth-endpoint-fallback."""

    def test_the_metadata_is_at_the_origin_of_the_mcp_server(self, client):
        [place] = build_oauth_authorization_server_metadata_discovery_urls(None, flow.RESOURCE)
        assert client.get(path_of(place)).json()["issuer"] == flow.ISSUER

    def test_the_endpoints_are_where_such_clients_look_without_metadata(self, server):
        assert str(server.authorization_endpoint) == f"{flow.ISSUER}/authorize"
        assert str(server.token_endpoint) == f"{flow.ISSUER}/token"
        assert str(server.registration_endpoint) == f"{flow.ISSUER}/register"

    def test_their_requests_without_a_resource_are_bound_to_ours(self, db, verify):
        connected = flow.connect("alice", resource=None)
        assert verify(connected.access).resource == flow.RESOURCE
