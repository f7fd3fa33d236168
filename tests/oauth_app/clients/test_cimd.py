"""Clients identified by a URL: when documents are fetched, and which are accepted."""

import socket
import time
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from oauth2_provider import cimd as toolkit
from oauth2_provider.cimd import CIMDError

from oauth_app.clients import cimd
from oauth_app.models import Client
from tests.oauth_app import flow

URL = "https://client.example/metadata.json"
VS_CODE = {
    "client_id": URL,
    "client_name": "Visual Studio Code",
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": ["code"],
    "redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
CHATGPT = {
    "client_id": URL,
    "client_name": "ChatGPT",
    "client_uri": "https://chatgpt.com",
    "redirect_uris": ["https://chatgpt.com/connector/oauth/AbC"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks_uri": "https://chatgpt.com/jwks.json",
}
PLAIN = {"client_id": URL, "client_name": "Plain", "redirect_uris": [flow.CALLBACK]}


@pytest.fixture(autouse=True)
def fresh_cache():
    cache.clear()


@pytest.fixture
def documents(monkeypatch):
    """Documents that the network would serve, by URL; and a record of what was fetched."""

    class Served(dict[str, Any]):
        fetched: list[str] = []

    served = Served()
    served.fetched = []

    def fetch(self, client_id):
        served.fetched.append(client_id)
        if client_id not in served:
            raise CIMDError("not there")
        return dict(served[client_id]), 300

    monkeypatch.setattr(cimd, "refuse_other_addresses", lambda url: None)
    monkeypatch.setattr(toolkit.SafeMetadataFetcher, "fetch", fetch)
    return served


@pytest.fixture
def signed_in(client, db):
    client.force_login(User.objects.create_user("alice"))
    return client


@pytest.mark.parametrize("document", [VS_CODE, CHATGPT, PLAIN], ids=["vs code", "chatgpt", "plain"])
def test_the_documents_of_real_clients_pass(signed_in, documents, document):
    documents[URL] = document
    uri = document["redirect_uris"][-1]
    page = signed_in.get(flow.authorize_url(URL, redirect_uri=uri))
    assert page.status_code == 200
    text = page.content.decode()
    assert document["client_name"] in text
    assert "client.example" in text
    kept = Client.objects.get()
    assert kept.client_id == URL
    assert kept.registration_source == "cimd"
    assert kept.is_public


def test_such_a_client_gets_tokens(signed_in, documents, verify):
    documents[URL] = PLAIN
    code = flow.allow(signed_in, signed_in.get(flow.authorize_url(URL)))["code"]
    tokens = flow.exchange(signed_in, URL, code).json()
    assert verify(tokens["access_token"]).client_id == URL
    assert flow.refresh(signed_in, URL, tokens["refresh_token"]).status_code == 200
    assert documents.fetched == [URL]


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "https://other.example/metadata.json"},
        {"client_id": None},
        {"client_name": None},
        {"client_name": ""},
        {"client_name": "\u202e"},
        {"client_name": 1},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["data:,x"]},
        {"redirect_uris": ["http://evil.example/cb"]},
        {"redirect_uris": ["https://u:p@evil.example/cb"]},
        {"redirect_uris": "https://a.example/"},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["implicit"]},
        {"response_types": ["token"]},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": ["none"]},
        {"scope": ["mcp"]},
    ],
)
def test_hostile_documents_do_not(signed_in, documents, change):
    documents[URL] = PLAIN | change
    assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    assert not Client.objects.exists()


def test_foreign_scopes_of_a_document_are_dropped(signed_in, documents):
    documents[URL] = PLAIN | {"scope": "openid email introspection"}
    assert signed_in.get(flow.authorize_url(URL)).status_code == 200


def test_a_client_that_is_disabled_while_its_document_is_saved_stays_disabled(
    signed_in, documents, monkeypatch
):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    Client.objects.update(cimd_expires_at="2020-01-01T00:00Z")
    clean = Client.full_clean

    def clean_slowly(client, *args, **kwargs):
        Client.objects.update(is_enabled=False)
        clean(client, *args, **kwargs)

    monkeypatch.setattr(Client, "full_clean", clean_slowly)
    assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    kept = Client.objects.get()
    assert not kept.is_enabled
    assert kept.cimd_expires_at.year > 2020, "the document was kept all the same"


@pytest.mark.django_db(transaction=True)
def test_a_client_that_is_deleted_while_its_document_is_saved_is_refused(signed_in, documents, monkeypatch):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    Client.objects.update(cimd_expires_at="2020-01-01T00:00Z")
    clean = Client.full_clean

    def clean_slowly(client, *args, **kwargs):
        Client.objects.all().delete()
        clean(client, *args, **kwargs)

    with monkeypatch.context() as patches:
        patches.setattr(Client, "full_clean", clean_slowly)
        assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    assert not Client.objects.exists()


def test_a_strangers_request_causes_no_fetch_and_no_row(client, db, documents):
    documents[URL] = PLAIN
    assert client.get(flow.authorize_url(URL)).status_code == 302  # to the sign-in
    assert client.get(flow.authorize_url(URL, prompt="none")).status_code == 400
    assert client.post(flow.authorize_url(URL), {"decision": "allow"}).status_code == 302
    assert flow.exchange(client, URL, "code").status_code == 401
    assert flow.refresh(client, URL, "token").status_code == 401
    assert client.post("/revoke", {"client_id": URL, "token": "x"}).status_code == 401
    assert (
        client.post("/introspect", {"client_id": URL, "client_secret": "x", "token": "x"}).status_code == 401
    )
    assert client.get(f"/register/{URL}").status_code == 401
    assert documents.fetched == []
    assert not Client.objects.exists()
    assert not Session.objects.exists()


@pytest.fixture
def not_offered(settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"CIMD_ENABLED": False}


def shown(answer):
    assert answer.status_code == 400
    return unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("client_id document returned HTTP 404", "the client_id document returned HTTP 404"),
        ("client_id document is not valid JSON", "the client_id document is not valid JSON"),
        ("client_id URL must contain a path component", "the client_id URL must contain a path component"),
    ],
)
def test_the_user_sees_which_url_could_not_be_fetched_and_why(
    signed_in, documents, monkeypatch, caplog, failure, reason
):
    def fetch(self, client_id):
        raise CIMDError(failure)

    monkeypatch.setattr(cimd, "refuse_other_addresses", lambda url: None)
    monkeypatch.setattr(toolkit.SafeMetadataFetcher, "fetch", fetch)
    for _ in range(2):  # the second time it is not read again
        page = shown(signed_in.get(flow.authorize_url(URL)))
        assert f"{URL}: {reason}." in page
        assert "project_settings(url, CIMD_ENABLED=False)" in page
        assert "CLIENT_ID_METADATA_DOCUMENTS=false" in page
    [record] = [record for record in caplog.records if record.message == "client metadata document rejected"]
    assert (record.levelname, record.client, record.reason) == ("WARNING", URL, failure)


@pytest.mark.parametrize(
    "failure",
    [
        "could not resolve client_id host: [Errno -3] Temporary failure in name resolution",
        "client_id host resolves to a non-public address (10.1.2.3)",
        "could not fetch client_id document: HTTPSConnectionPool(host='93.184.216.34', port=443): refused",
        "something that a later toolkit says of 10.1.2.3",
    ],
)
def test_a_page_does_not_reveal_the_internal_network(signed_in, monkeypatch, caplog, failure):
    def fetch(self, client_id):
        raise CIMDError(failure)

    monkeypatch.setattr(cimd, "refuse_other_addresses", lambda url: None)
    monkeypatch.setattr(toolkit.SafeMetadataFetcher, "fetch", fetch)
    page = shown(signed_in.get(flow.authorize_url(URL)))
    assert "no public address that this server can reach, or does not answer there" in page
    assert failure not in page
    assert "10.1.2.3" not in page
    assert failure in [getattr(record, "reason", None) for record in caplog.records]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client_id": "https://other.example/x"}, "its client_id is not its own URL"),
        ({"client_name": None}, "client_name is required"),
        ({"client_secret": "x"}, "it must not contain a client secret"),
        ({"redirect_uris": ["http://evil.example/"]}, "http://evil.example/ must use https"),
    ],
)
def test_the_user_sees_what_is_wrong_with_a_document(signed_in, documents, change, reason):
    documents[URL] = PLAIN | change
    assert reason in shown(signed_in.get(flow.authorize_url(URL)))


@pytest.mark.parametrize(
    "url", ["https://" + "a" * 80 + ".example/x", "https://\u00fc\u202e.example/" + "x" * 500]
)
def test_an_odd_url_is_shown_escaped(signed_in, db, url):
    page = shown(signed_in.get(flow.authorize_url(url)))
    assert "\u202e" not in page
    assert "x" * 400 not in page


def test_a_disabled_client_is_reported_as_disabled(signed_in, documents):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    Client.objects.update(is_enabled=False)
    assert f"The app at {URL} is disabled here." in shown(signed_in.get(flow.authorize_url(URL)))


def test_where_it_is_not_offered_clients_register(client, signed_in, documents, not_offered):
    documents[URL] = PLAIN
    metadata = client.get("/.well-known/oauth-authorization-server").json()
    assert metadata["client_id_metadata_document_supported"] is False
    page = shown(signed_in.get(flow.authorize_url(URL)))
    assert f"{URL}, which is not supported by this server" in page
    assert documents.fetched == []
    assert flow.register(client).status_code == 201


def test_where_it_is_not_offered_nobody_signs_in_for_it(client, db, documents, not_offered):
    assert "which is not supported by this server" in shown(client.get(flow.authorize_url(URL)))
    assert not Session.objects.exists()


def test_clients_already_identified_by_a_url_keep_working(signed_in, documents, settings):
    documents[URL] = PLAIN
    connected = flow.allow(signed_in, signed_in.get(flow.authorize_url(URL)))
    tokens = flow.exchange(signed_in, URL, connected["code"]).json()
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"CIMD_ENABLED": False}
    assert flow.refresh(signed_in, URL, tokens["refresh_token"]).status_code == 200


def test_a_failed_fetch_is_not_repeated_immediately(signed_in, documents):
    for _ in range(3):
        assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    assert documents.fetched == [URL]


def test_a_stale_document_is_fetched_again_and_kept_if_that_fails(signed_in, documents):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    documents[URL] = PLAIN | {"client_name": "Renamed"}
    assert "Plain" in signed_in.get(flow.authorize_url(URL)).content.decode()
    Client.objects.update(cimd_expires_at="2020-01-01T00:00Z")
    assert "Renamed" in signed_in.get(flow.authorize_url(URL)).content.decode()
    Client.objects.update(cimd_expires_at="2020-01-01T00:00Z")
    del documents[URL]
    assert "Renamed" in signed_in.get(flow.authorize_url(URL)).content.decode()


def test_a_client_that_was_away_for_long_can_return(signed_in, documents):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    Client.objects.update(created="2020-01-01T00:00Z", cimd_expires_at="2020-01-01T00:00Z")
    documents[URL] = PLAIN | {"client_name": "Back again"}
    assert "Back again" in signed_in.get(flow.authorize_url(URL)).content.decode()


def test_a_disabled_client_stays_out(signed_in, documents):
    documents[URL] = PLAIN
    signed_in.get(flow.authorize_url(URL))
    Client.objects.update(is_enabled=False, created="2020-01-01T00:00Z", cimd_expires_at="2020-01-01T00:00Z")
    call_command("prune", stdout=StringIO())
    assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    assert not Client.objects.get().is_enabled


def test_while_all_slots_are_taken_no_url_is_marked_as_failed(signed_in, documents, monkeypatch):
    documents[URL] = PLAIN
    with monkeypatch.context() as busy:
        busy.setattr(cimd.NormalisingFetcher, "is_busy", classmethod(lambda cls: True))
        assert signed_in.get(flow.authorize_url(URL)).status_code == 400
    assert documents.fetched == []
    assert signed_in.get(flow.authorize_url(URL)).status_code == 200


def test_a_document_cannot_take_over_a_manually_created_client(signed_in, documents):
    Client.objects.create(
        client_id=URL,
        name="Ours",
        redirect_uris=flow.CALLBACK,
        client_type="public",
        authorization_grant_type="authorization-code",
        cimd_expires_at="2020-01-01T00:00Z",
    )
    documents[URL] = PLAIN | {"client_name": "Taken over"}
    assert "Ours" in signed_in.get(flow.authorize_url(URL)).content.decode()
    assert Client.objects.get().name == "Ours"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["93.184.216.34", "192.168.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
    ],
)
def test_no_private_address_is_ever_connected_to(monkeypatch, addresses):
    connected = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, *a, **k: [(2, 1, 6, "", (ip, port)) for ip in addresses]
    )
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: connected.append(address))
    with pytest.raises(CIMDError):
        cimd.NormalisingFetcher().fetch(URL)
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [
        "https://client.example",
        "https://user@client.example/x",
        "https://client.example/x#y",
        "https://client.example/../x",
        "https://client.example:99999/x",
        "https:///x",
    ],
)
def test_a_url_that_is_not_a_client_id_is_not_fetched(url):
    start = time.monotonic()
    with pytest.raises(CIMDError):
        cimd.NormalisingFetcher().fetch(url)
    assert time.monotonic() - start < 1
