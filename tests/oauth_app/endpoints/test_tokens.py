import base64

import pytest
from django.test import Client as Http

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


def basic(client_id, secret):
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.fixture
def client_id(client):
    return flow.register(client).json()["client_id"]


@pytest.fixture
def code(client, client_id):
    return flow.allow(client, flow.sign_in(client, flow.authorize_url(client_id)))["code"]


class TestCode:
    def test_it_works(self, client, client_id, code):
        answer = flow.exchange(client, client_id, code)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}

    @pytest.mark.parametrize(
        ("change", "status", "error"),
        [
            ({"code": "wrong"}, 400, "invalid_grant"),
            ({"code": None}, 400, "invalid_request"),
            ({"code_verifier": None}, 400, "invalid_request"),
            ({"code_verifier": "wrong" * 10}, 400, "invalid_grant"),
            ({"code_verifier": flow.challenge()}, 400, "invalid_grant"),
            ({"redirect_uri": "https://evil.example/cb"}, 400, "invalid_grant"),
            ({"redirect_uri": flow.CALLBACK.replace("6274", "1")}, 400, "invalid_grant"),
            ({"redirect_uri": [flow.CALLBACK, flow.CALLBACK]}, 400, "invalid_request"),
            ({"code": ""}, 400, "invalid_request"),
            ({"code": ["one", "two"]}, 400, "invalid_request"),
            ({"code_verifier": ""}, 400, "invalid_request"),
            ({"code_verifier": [flow.VERIFIER, flow.VERIFIER]}, 400, "invalid_request"),
            ({"resource": "https://other.example/mcp"}, 400, "invalid_target"),
            ({"resource": [flow.RESOURCE, "https://other.example/mcp"]}, 400, "invalid_target"),
            ({"client_id": "nobody"}, 401, "invalid_client"),
            ({"client_id": None}, 401, "invalid_client"),
            ({"client_secret": "guess"}, 401, "invalid_client"),
            ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
            ({"grant_type": "password", "username": "a", "password": "b"}, 400, "unsupported_grant_type"),
            ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, 400, "unsupported_grant_type"),
            ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
            ({"grant_type": "Authorization_Code"}, 400, "unsupported_grant_type"),
            ({"grant_type": "authorization_code "}, 400, "unsupported_grant_type"),
            ({"grant_type": None}, 400, "invalid_request"),
            ({"grant_type": ""}, 400, "invalid_request"),
            ({"grant_type": ["authorization_code", "refresh_token"]}, 400, "invalid_request"),
            ({"code": "a\0b"}, 400, "invalid_request"),
            ({"client_id": "a\0b"}, 400, "invalid_request"),
            ({"code": "x" * 5000}, 400, "invalid_grant"),
        ],
    )
    def test_an_invalid_request_gets_nothing_and_changes_nothing(
        self, client, client_id, code, change, status, error
    ):
        answer = flow.exchange(client, **({"client_id": client_id, "code": code} | change))
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer["Cache-Control"] == "no-store"
        description = answer.json()["error_description"]
        assert description.isascii()
        assert not set('"\\') & set(description), "RFC 6749 §5.2 excludes both"
        assert not AccessToken.objects.exists()
        assert flow.exchange(client, client_id, code).status_code == 200

    @pytest.mark.parametrize("redirect_uri", [None, ""])
    def test_the_redirect_uri_may_be_left_out_as_in_oauth_2_1(self, client, client_id, code, redirect_uri):
        assert flow.exchange(client, client_id, code, redirect_uri=redirect_uri).status_code == 200

    def test_so_may_a_client_with_several_redirect_uris(self, client):
        uris = ["https://one.example/cb", flow.CALLBACK, "https://two.example/cb"]
        client_id = flow.register(client, redirect_uris=uris).json()["client_id"]
        code = flow.allow(client, flow.sign_in(client, flow.authorize_url(client_id)))["code"]
        assert flow.exchange(client, client_id, code, redirect_uri=uris[0]).status_code == 400
        assert flow.exchange(client, client_id, code, redirect_uri=None).status_code == 200

    def test_a_refusal_does_not_tell_what_a_stolen_code_is_worth(self, client, client_id, code):
        other = flow.register(client).json()["client_id"]
        refusals = [
            flow.exchange(client, client_id, "unknown"),
            flow.exchange(client, other, code),
            flow.exchange(client, client_id, code, code_verifier="wrong" * 10),
            flow.exchange(client, client_id, code, redirect_uri="https://evil.example/cb"),
        ]
        flow.exchange(client, client_id, code)
        refusals.append(flow.exchange(client, client_id, code))
        assert {refusal.json()["error"] for refusal in refusals} == {"invalid_grant"}
        assert len({refusal.json()["error_description"] for refusal in refusals}) == 1

    def test_an_empty_value_next_to_another_is_ignored(self, client, client_id, code):
        assert (
            flow.exchange(
                client, client_id, code, code_verifier=[flow.VERIFIER, ""], resource=["", flow.RESOURCE]
            ).status_code
            == 200
        )

    @pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
    def test_a_request_without_a_form_is_told_to_send_one(self, client, path, content_type):
        answer = client.post(path, '{"grant_type": "refresh_token"}', content_type=content_type)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert "application/x-www-form-urlencoded" in answer.json()["error_description"]

    def test_another_clients_code_is_worthless(self, client, client_id, code):
        other = flow.register(client).json()["client_id"]
        answer = flow.exchange(client, other, code)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    def test_a_replayed_code_revokes_its_tokens(self, client, client_id, code, verify):
        tokens = flow.exchange(client, client_id, code).json()
        renewed = flow.refresh(client, client_id, tokens["refresh_token"]).json()

        answer = flow.exchange(client, client_id, code)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert verify(tokens["access_token"]) is None
        assert verify(renewed["access_token"]) is None
        assert flow.refresh(client, client_id, renewed["refresh_token"]).status_code == 400

    def test_an_expired_code_is_worthless(self, client, client_id, code):
        Grant.objects.update(expires="2020-01-01T00:00Z")
        assert flow.exchange(client, client_id, code).json()["error"] == "invalid_grant"

    def test_a_code_lives_ten_minutes(self, code):
        grant = Grant.objects.get()
        assert 590 < (grant.expires - grant.created).total_seconds() <= 601

    @pytest.mark.parametrize(
        "resource",
        [
            None,
            "",
            flow.RESOURCE + "/",
            "HTTP://LOCALHOST:3232/mcp",
            [flow.RESOURCE] * 2,
            flow.SSE_RESOURCE,
            flow.SSE_RESOURCE + "/",
        ],
    )
    def test_a_token_is_always_bound(self, client, client_id, code, resource, verify):
        answer = flow.exchange(client, client_id, code, resource=resource)
        assert verify(answer.json()["access_token"]).resource == flow.RESOURCE

    def test_the_url_is_no_place_for_parameters(self, client, client_id, code):
        answer = client.post("/token?code=" + code)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    @pytest.mark.parametrize("body", [b"", b"\xff", b"%zz=%zz", b"a=%ff", b"=&=", b'{"grant_type": "x"}'])
    @pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
    def test_an_unreadable_body_is_refused(self, client, path, body):
        answer = client.post(path, body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in (400, 401)
        assert "error" in answer.json()
        answer = client.post(path, body, content_type="application/json")
        assert answer.status_code in (400, 401)
        assert client.get(path).status_code == 405


class TestClientAuthentication:
    @pytest.fixture
    def confidential(self, client):
        return flow.register(client, token_endpoint_auth_method="client_secret_post").json()

    @pytest.fixture
    def code(self, client, confidential):
        return flow.allow(client, flow.sign_in(client, flow.authorize_url(confidential["client_id"])))["code"]

    def test_the_secret_in_the_body(self, client, confidential, code):
        answer = flow.exchange(
            client, confidential["client_id"], code, client_secret=confidential["client_secret"]
        )
        assert answer.status_code == 200

    @pytest.mark.parametrize("where", ["header", "header and body", "body"])
    def test_a_public_client_may_send_an_empty_secret(self, client, where):
        client_id = flow.register(client).json()["client_id"]
        page = flow.sign_in(Http(), flow.authorize_url(client_id))
        code = flow.allow(page.client, page)["code"]
        headers = basic(client_id, "") if "header" in where else {}
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": flow.VERIFIER,
            **({"client_id": client_id, "client_secret": ""} if "body" in where else {}),
        }
        answer = client.post("/token", body, headers=headers)
        assert answer.status_code == 200
        token = answer.json()["access_token"]
        assert client.post("/revoke", {"token": token}, headers=basic(client_id, "")).status_code == 200

    def test_a_public_client_that_claims_a_secret_is_refused(self, client):
        client_id = flow.register(client).json()["client_id"]
        answer = client.post("/revoke", {"token": "x"}, headers=basic(client_id, "guess"))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    @pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
    @pytest.mark.parametrize("secret", ["", "wrong"])
    def test_a_client_that_fails_is_asked_for_basic(self, client, confidential, path, secret):
        body = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
        answer = client.post(path, body, headers=basic(confidential["client_id"], secret))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer["WWW-Authenticate"].startswith("Basic ")
        assert answer.json()["error_description"]

    @pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
    def test_the_secret_in_the_header(self, client, confidential, code, scheme):
        headers = basic(confidential["client_id"], confidential["client_secret"])
        headers["authorization"] = headers["authorization"].replace("Basic", scheme)
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": flow.VERIFIER,
            "redirect_uri": flow.CALLBACK,
        }
        assert client.post("/token", body, headers=headers).status_code == 200

    @pytest.mark.parametrize("secret", [None, "", "wrong", "é"])
    def test_without_its_secret_it_gets_nothing(self, client, confidential, code, secret):
        answer = flow.exchange(client, confidential["client_id"], code, client_secret=secret)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer["WWW-Authenticate"].startswith("Basic")

    def test_only_a_checksum_of_a_secret_is_stored(self, client, confidential, code):
        kept = Client.objects.get().client_secret
        assert kept
        assert kept != confidential["client_secret"]
        answer = flow.exchange(client, confidential["client_id"], code, client_secret=kept)
        assert answer.status_code == 401

    @pytest.mark.parametrize(
        "header",
        [
            "Basic",
            "Basic !!!",
            "Basic eA==",
            "Basic /w==",
            "Basic JTAwOng=",
            "Basic ADp4",
            "Bearer x",
            "Digest x",
        ],
    )
    def test_an_unreadable_header_does_not_authenticate(self, client, confidential, code, header):
        body = {"grant_type": "authorization_code", "code": code, "client_id": confidential["client_id"]}
        assert client.post("/token", body, headers={"authorization": header}).status_code == 401

    def test_header_and_body_must_name_the_same_client(self, client, confidential, code):
        other = flow.register(client).json()["client_id"]
        headers = basic(confidential["client_id"], confidential["client_secret"])
        answer = client.post(
            "/token",
            {"grant_type": "authorization_code", "client_id": other, "code": code},
            headers=headers,
        )
        assert answer.status_code == 401


class TestRevocation:
    @pytest.mark.parametrize("which", ["access_token", "refresh_token"])
    @pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
    def test_revoking_one_ends_the_family(self, alice, verify, which, hint):
        body = {"client_id": alice.client_id, "token": alice.tokens[which]}
        answer = alice.http.post("/revoke", body | ({"token_type_hint": hint} if hint else {}))
        assert answer.status_code == 200
        assert verify(alice.access) is None
        assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 400

    def test_revoking_an_unknown_token_succeeds(self, alice, verify):
        answer = alice.http.post("/revoke", {"client_id": alice.client_id, "token": "unknown"})
        assert answer.status_code == 200
        assert verify(alice.access)

    def test_a_client_cannot_revoke_a_foreign_token(self, alice, verify):
        other = flow.register(alice.http).json()["client_id"]
        for token in (alice.access, alice.refresh):
            for hint in ({}, {"token_type_hint": "access_token"}, {"token_type_hint": "refresh_token"}):
                answer = alice.http.post("/revoke", {"client_id": other, "token": token} | hint)
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
                assert answer["Content-Type"] == "application/json"
        assert verify(alice.access)
        assert flow.refresh(alice.http, alice.client_id, alice.refresh).status_code == 200

    def test_an_unknown_client_is_refused(self, alice, verify):
        answer = alice.http.post("/revoke", {"client_id": "nobody", "token": alice.access})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert verify(alice.access)

    def test_the_token_must_be_named(self, alice):
        for token in ({}, {"token": ""}, {"token": [alice.access, alice.refresh]}):
            answer = alice.http.post("/revoke", {"client_id": alice.client_id} | token)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


class TestIntrospection:
    @pytest.fixture
    def resource_server(self, db):
        server = Client(
            name="MCP", client_type="confidential", auth_method="client_secret_basic", is_resource_server=True
        )
        secret = server.new_client_secret()
        server.save()
        return basic(server.client_id, secret)

    def test_a_resource_server_can_introspect_a_token(self, alice, resource_server):
        answer = alice.http.post("/introspect", {"token": alice.access}, headers=resource_server)
        body = answer.json()
        assert answer["Cache-Control"] == "no-store"
        assert body["active"] is True
        assert body["aud"] == [flow.RESOURCE]
        assert body["iss"] == flow.ISSUER
        assert body["client_id"] == alice.client_id
        assert body["username"] == "alice"
        assert body["scope"] == "mcp"
        assert body["exp"] - body["iat"] == pytest.approx(3600, abs=1)

    def test_an_invalid_token_is_only_reported_as_inactive(self, alice, resource_server):
        AccessToken.objects.update(expires="2020-01-01T00:00Z")
        for token in (alice.access, alice.refresh, "unknown", ""):
            answer = alice.http.post("/introspect", {"token": token}, headers=resource_server)
            assert answer.json() == {"active": False}

    def test_no_one_else_may_ask(self, alice):
        own = flow.register(alice.http, token_endpoint_auth_method="client_secret_basic").json()
        headers = basic(own["client_id"], own["client_secret"])
        assert alice.http.post("/introspect", {"token": alice.access}, headers=headers).status_code == 403
        assert alice.http.post("/introspect", {"token": alice.access}).status_code == 401
        bearer = {"authorization": f"Bearer {alice.access}"}
        assert alice.http.post("/introspect", {"token": alice.access}, headers=bearer).status_code == 401
        body = {"token": alice.access, "client_id": alice.client_id}
        assert alice.http.post("/introspect", body).status_code == 401


def test_no_code_token_or_secret_is_readable_in_the_database(client):
    registered = flow.register(client, token_endpoint_auth_method="client_secret_post").json()
    client_id, secret = registered["client_id"], registered["client_secret"]
    code = flow.allow(client, flow.sign_in(client, flow.authorize_url(client_id)))["code"]
    tokens = flow.exchange(client, client_id, code, client_secret=secret).json()

    rows = [row for model in (Client, Grant, AccessToken, RefreshToken) for row in model.objects.values()]
    kept = repr(rows)
    for value in (
        code,
        secret,
        tokens["access_token"],
        tokens["refresh_token"],
        registered["registration_access_token"],
        flow.VERIFIER,
    ):
        assert value not in kept
