import pytest
from asgiref.sync import async_to_sync
from mcp.server.auth.provider import TokenVerifier

from oauth_app.models import AccessToken, Client
from oauth_app.verifier import DatabaseTokenVerifier
from tests.oauth_app import flow


@pytest.mark.django_db(transaction=True)
def test_the_endpoint_asks_asynchronously():
    alice = flow.connect("alice")
    verifier: TokenVerifier = DatabaseTokenVerifier()
    verified = async_to_sync(verifier.verify_token)(alice.access)
    assert verified is not None
    assert verified.client_id == alice.client_id


def test_one_query_answers(alice, verify, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert verify(alice.access).client_id == alice.client_id


@pytest.mark.parametrize(
    "resource",
    [
        [],
        ["https://other.example/mcp"],
        ["http://localhost:3232"],
        ["http://localhost:3232/"],
        ["http://localhost:3232/mcp/tools"],
        ["http://localhost:3232/mcpx"],
    ],
)
def test_a_token_for_anything_else_is_refused(alice, verify, resource):
    AccessToken.objects.update(resource=resource)
    assert verify(alice.access) is None


@pytest.mark.parametrize("resource", [[flow.RESOURCE], [flow.RESOURCE + "/"], ["HTTP://LOCALHOST:3232/mcp"]])
def test_a_token_for_this_resource_is_accepted(alice, verify, resource):
    AccessToken.objects.update(resource=resource)
    assert verify(alice.access).resource == flow.RESOURCE


def test_an_expired_token_is_refused(alice, verify):
    AccessToken.objects.update(expires="2020-01-01T00:00Z")
    assert verify(alice.access) is None


def test_a_token_of_a_disabled_client_is_refused(alice, verify):
    Client.objects.update(is_enabled=False)
    assert verify(alice.access) is None


@pytest.mark.parametrize("token", ["", "unknown", "\x00", "é", "a" * 10_000])
def test_nonsense_is_refused(db, verify, token):
    assert verify(token) is None


def test_neither_a_refresh_token_nor_a_checksum_is_an_access_token(alice, verify):
    assert verify(alice.refresh) is None
    assert verify(AccessToken.objects.get().token_checksum) is None
