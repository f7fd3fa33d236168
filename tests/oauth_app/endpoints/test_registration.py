import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from mcp.shared.auth import OAuthClientInformationFull

from oauth_app.clients import metadata as client_metadata
from oauth_app.conf import conf
from oauth_app.models import AccessToken, Client
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db

CURSOR = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
]
REAL = {
    "inspector": {
        "client_name": "MCP Inspector",
        "redirect_uris": ["http://localhost:6274/oauth/callback"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "client_uri": "https://github.com/modelcontextprotocol/inspector",
        "scope": "mcp",
    },
    "claude": {
        "client_name": "Claude",
        "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post",
        "scope": "claudeai mcp",
    },
    "chatgpt": {
        "client_name": "ChatGPT",
        "redirect_uris": ["https://chatgpt.com/connector/oauth/AbC-123"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    },
    "vs code": {
        "client_name": "Visual Studio Code",
        "client_uri": "https://code.visualstudio.com",
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types": ["code"],
        "redirect_uris": [
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    },
    "cursor": {
        "client_name": "Cursor",
        "redirect_uris": CURSOR,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    },
}


def post(client, document):
    return client.post("/register", document, content_type="application/json")


@pytest.mark.parametrize("name", REAL)
def test_real_clients_can_register(client, name):
    answer = post(client, REAL[name])

    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    OAuthClientInformationFull.model_validate(body)
    assert body["redirect_uris"] == REAL[name]["redirect_uris"]
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    assert body["response_types"] == ["code"]
    assert body["client_name"] == REAL[name]["client_name"]
    assert isinstance(body["client_id_issued_at"], int)
    assert None not in body.values()
    assert ("client_secret" in body) == (body["token_endpoint_auth_method"] != "none")
    if "client_secret" in body:
        lasts = body["client_secret_expires_at"] - body["client_id_issued_at"]
        assert lasts == 30 * 24 * 3600


def test_a_name_that_is_null_counts_as_absent(client):
    answer = flow.register(client, client_name=None)
    assert answer.status_code == 201
    assert "client_name" not in answer.json()


@pytest.mark.parametrize(
    "grant_types",
    [
        ["client_credentials"],
        ["password"],
        ["implicit"],
        ["refresh_token"],
        ["urn:ietf:params:oauth:grant-type:device_code"],
        [],
    ],
)
def test_no_client_is_registered_for_tokens_without_a_user(client, grant_types):
    answer = flow.register(client, grant_types=grant_types)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"
    assert not Client.objects.exists()


def test_grants_that_are_not_served_are_dropped(client):
    answer = flow.register(client, grant_types=["authorization_code", "client_credentials", "password"])
    assert answer.json()["grant_types"] == ["authorization_code", "refresh_token"]
    kept = Client.objects.get()
    assert kept.authorization_grant_type == Client.GRANT_AUTHORIZATION_CODE


@pytest.mark.parametrize(
    "scope", ["openid email profile", "introspection", "mcp openid", "  ", "", None, "mcp:admin  mcp"]
)
def test_foreign_scopes_are_dropped(client, scope):
    answer = flow.register(client, scope=scope)
    assert answer.status_code == 201
    assert answer.json()["scope"] == "mcp mcp:admin offline_access"
    client_id = answer.json()["client_id"]
    client.force_login(User.objects.create_user("alice"))
    assert "code" in flow.allow(client, client.get(flow.authorize_url(client_id)))


def test_the_introspection_scope_cannot_be_obtained(client):
    registered = flow.register(client, scope="introspection").json()
    assert "introspection" not in registered["scope"].split()
    client.force_login(User.objects.create_user("alice"))
    answer = client.get(flow.authorize_url(registered["client_id"], scope="introspection"))
    assert flow.parameters(answer)["error"] == "invalid_scope"
    assert "introspection" not in flow.register(client, scope="mcp introspection").json()["scope"]
    assert not Client.objects.filter(is_resource_server=True).exists()


@pytest.mark.parametrize(
    "uris",
    [
        ["javascript:alert(1)"],
        ["data:text/html,hi"],
        ["http://evil.example/cb"],
        ["https://u:p@evil.example/cb"],
        ["http://169.254.169.254/"],
        ["https://ok.example/cb", "http://evil.example/cb"],
        ["https://ok.example/cb https://evil.example/cb"],
        [],
        None,
        "https://ok.example/cb",
        [1],
        [None],
        [f"https://ok.example/{n}" for n in range(21)],
    ],
)
def test_redirect_uris_that_are_refused(client, caplog, uris):
    answer = flow.register(client, redirect_uris=uris)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"
    assert not Client.objects.exists()
    assert "client registration rejected" in caplog.text


def test_a_redirect_uri_that_is_repeated_counts_once(client):
    uris = [f"https://a.example/{number}" for number in range(conf.max_redirect_uris)]
    answer = flow.register(client, redirect_uris=[*uris, *uris])
    assert (answer.status_code, answer.json()["redirect_uris"]) == (201, uris)
    answer = flow.register(client, redirect_uris=[*uris, "https://a.example/one-more"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 20000,
        b"{" + b" " * 33000 + b"}",
        json.dumps({"redirect_uris": ["https://a.example/"], "client_name": 1}).encode(),
        json.dumps({"redirect_uris": ["https://a.example/"], "grant_types": "authorization_code"}).encode(),
        json.dumps({"redirect_uris": ["https://a.example/"], "response_types": ["token"]}).encode(),
        json.dumps({"redirect_uris": ["https://a.example/"], "scope": ["mcp"]}).encode(),
        json.dumps({"redirect_uris": ["https://a.example/"], "application_type": "toaster"}).encode(),
        json.dumps(
            {"redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt"}
        ).encode(),
        json.dumps({"redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": {}}).encode(),
    ],
)
def test_invalid_metadata(client, body):
    answer = client.post("/register", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"
    assert answer["Cache-Control"] == "no-store"
    assert not Client.objects.exists()


def test_only_json_is_read(client):
    assert client.post("/register", {"redirect_uris": "https://a.example/"}).status_code == 400
    assert client.get("/register").status_code == 405


class TestManagement:
    @pytest.fixture
    def registered(self, client):
        return flow.register(client, token_endpoint_auth_method="client_secret_basic").json()

    def call(self, client, method, registered, body=None, token=None):
        path = registered["registration_client_uri"].removeprefix(flow.ISSUER)
        headers = {"authorization": f"Bearer {token or registered['registration_access_token']}"}
        extra = {"data": body, "content_type": "application/json"} if body is not None else {}
        return getattr(client, method)(path, headers=headers, **extra)

    def test_a_client_reads_its_registration(self, client, registered):
        answer = self.call(client, "get", registered)
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert answer.json()["client_id"] == registered["client_id"]
        assert "client_secret" not in answer.json()

    def test_a_client_changes_its_registration_and_gets_a_new_token(self, client, registered):
        body = {
            "redirect_uris": ["https://new.example/cb"],
            "token_endpoint_auth_method": "client_secret_basic",
        }
        answer = self.call(client, "put", registered, body)
        assert answer.status_code == 200
        assert answer.json()["redirect_uris"] == ["https://new.example/cb"]
        assert "client_name" not in answer.json()
        assert self.call(client, "get", registered).status_code == 401
        assert self.call(client, "get", answer.json()).status_code == 200

    @pytest.mark.parametrize(
        "claim",
        [
            {"client_id": "another"},
            {"client_id": 5},
            {"client_secret": "of my own choice"},
            {"client_secret": ""},
            {"client_secret": "\ud800"},
            {"client_secret": ["x"]},
        ],
        ids=str,
    )
    def test_a_change_cannot_claim_another_identity(self, client, registered, claim):
        body = {"redirect_uris": ["https://new.example/cb"]} | claim
        answer = self.call(client, "put", registered, json.dumps(body))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        assert Client.objects.get().redirect_uris == flow.CALLBACK

    @pytest.mark.parametrize(
        ("change", "keeps_access"),
        [
            ({}, True),
            ({"redirect_uris": [flow.CALLBACK, flow.CALLBACK + "/another"]}, True),
            ({"redirect_uris": [flow.CALLBACK, "https://another.example/cb"]}, False),
            ({"client_name": "Another"}, False),
        ],
        ids=["nothing", "another path", "another host", "another name"],
    )
    def test_a_change_of_what_users_consented_to_revokes_all_access(
        self, client, registered, change, keeps_access
    ):
        row = Client.objects.get()
        user = User.objects.create_user("alice")
        AccessToken.objects.create(
            user=user,
            application=row,
            token="t",
            scope="mcp",
            expires=timezone.now() + timedelta(hours=1),
            family=uuid.uuid4(),
        )
        said = {name: registered[name] for name in ("redirect_uris", "client_name") if name in registered}
        method = {"token_endpoint_auth_method": row.auth_method}
        assert self.call(client, "put", registered, said | method | change).status_code == 200
        assert AccessToken.objects.filter(application=row).exists() == keeps_access

    def test_a_change_may_say_who_the_client_is(self, client, registered):
        said = {name: registered[name] for name in ("client_id", "client_secret", "redirect_uris")}
        assert self.call(client, "put", registered, said).status_code == 200
        assert Client.objects.get().has_secret(registered["client_secret"])

    @pytest.mark.parametrize("method", ["get", "put", "delete"])
    def test_a_disabled_client_manages_nothing(self, client, registered, method):
        Client.objects.update(is_enabled=False)
        answer = self.call(client, method, registered, {"redirect_uris": ["https://new.example/cb"]})
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
        assert Client.objects.get().redirect_uris == flow.CALLBACK

    @pytest.mark.parametrize("grant", ["client_credentials", "password", "implicit"])
    def test_a_change_cannot_register_other_grants(self, client, registered, grant):
        body = {"redirect_uris": [flow.CALLBACK], "grant_types": [grant]}
        assert self.call(client, "put", registered, body).status_code == 400
        kept = Client.objects.get()
        assert kept.authorization_grant_type == Client.GRANT_AUTHORIZATION_CODE

    @pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:,x", "http://evil.example/"])
    def test_a_change_cannot_register_hostile_redirects(self, client, registered, uri):
        answer = self.call(client, "put", registered, {"redirect_uris": [uri]})
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_redirect_uri"

    def test_a_client_that_turns_public_loses_its_secret_and_its_access(self, client, registered):
        body = {"redirect_uris": [flow.CALLBACK], "token_endpoint_auth_method": "none"}
        assert "client_secret" not in self.call(client, "put", registered, body).json()
        assert Client.objects.get().client_secret == ""

    def test_a_change_may_name_foreign_scopes(self, client, registered):
        body = {"redirect_uris": [flow.CALLBACK], "scope": "openid email"}
        assert self.call(client, "put", registered, body).status_code == 200

    def test_a_client_that_is_disabled_during_a_change_stays_disabled(self, client, registered, monkeypatch):
        """The change has already read the client; what it writes must not enable the client again."""
        read = client_metadata.read

        def read_slowly(document):
            Client.objects.update(is_enabled=False)
            return read(document)

        monkeypatch.setattr(client_metadata, "read", read_slowly)
        body = {"redirect_uris": ["https://new.example/cb"]}
        assert self.call(client, "put", registered, body).status_code == 200
        assert not Client.objects.get().is_enabled
        assert self.call(client, "get", registered).status_code in (401, 403)

    def test_a_client_unregisters(self, client, registered):
        assert self.call(client, "delete", registered).status_code == 204
        assert not Client.objects.exists()
        assert self.call(client, "get", registered).status_code == 401

    @pytest.mark.parametrize("method", ["get", "put", "delete"])
    def test_no_one_else_may(self, client, registered, method):
        other = flow.register(client).json()
        answer = self.call(client, method, registered, {}, token=other["registration_access_token"])
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("path", ["%00", "nobody", "a/b", "x" * 5000, "%ff"])
    def test_there_is_no_registration_without_a_client(self, client, path):
        assert client.get(f"/register/{path}", headers={"authorization": "Bearer x"}).status_code == 401

    def test_a_manually_created_client_cannot_be_managed_here(self, client, registered):
        Client.objects.update(registration_source="manual")
        assert self.call(client, "delete", registered).status_code == 401

    def test_an_access_token_manages_nothing(self, alice):
        answer = alice.http.get(
            f"/register/{alice.client_id}", headers={"authorization": f"Bearer {alice.access}"}
        )
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"client_name": "\ud83d Client"}, 201),
        ({"\ud83d": {"\ud83d": 1}, "software_id": "\ud83d"}, 201),
        ({"redirect_uris": ["http://127.0.0.1/\ud83d"]}, 400),
        ({"token_endpoint_auth_method": "\ud83d"}, 400),
        ({"application_type": "\ud83d"}, 400),
    ],
)
def test_an_unpaired_surrogate_breaks_nothing(client, metadata, status):
    document = {"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"}
    response = client.post("/register", json.dumps(document | metadata), content_type="application/json")
    assert response.status_code == status, response.content
    assert response.json().get("client_name", "Client") == "Client"
