"""What web pages of any origin may use: endpoints for programs without cookies, and nothing else."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.oauth_app import flow

METADATA = "/.well-known/oauth-authorization-server"
OPEN = [METADATA, f"{METADATA}/mcp", "/register", "/register/some-client", "/token", "/revoke"]
CLOSED = ["/authorize", "/connections", "/introspect"]
PREFLIGHT = {
    "Origin": "https://any.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
}


@pytest.mark.parametrize("path", OPEN)
def test_a_preflight_allows_any_page_to_send_what_clients_send(client: Client, path: str) -> None:
    answer = client.options(path, headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "POST", "PUT", "DELETE"} <= set(answer["Access-Control-Allow-Methods"].split(", "))
    assert answer["Access-Control-Allow-Headers"] == PREFLIGHT["Access-Control-Request-Headers"]
    assert "Access-Control-Request-Headers" in answer["Vary"]
    assert int(answer["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Private-Network" not in answer


@pytest.mark.parametrize("path", OPEN)
def test_a_page_may_use_a_server_in_a_private_network(client: Client, path: str) -> None:
    headers = PREFLIGHT | {"Access-Control-Request-Private-Network": "true"}
    answer = client.options(path, headers=headers)
    assert answer["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.django_db
@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_any_page_can_read_answers_and_errors_and_no_cookie_is_sent(
    client: Client, path: str, method: str
) -> None:
    answer = getattr(client, method)(path, headers={"Origin": "https://any.example"})
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert {"WWW-Authenticate", "Retry-After"} <= set(answer["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in answer


def test_a_cached_document_can_be_read_by_a_later_page(client: Client) -> None:
    assert client.get(METADATA)["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
def test_a_page_can_register_and_read_its_client_id(client: Client) -> None:
    answer = client.post(
        "/register",
        {"redirect_uris": [flow.CALLBACK], "token_endpoint_auth_method": "none"},
        content_type="application/json",
        headers={"Origin": "https://any.example"},
    )
    assert answer.status_code == 201
    assert answer["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_does_not_count_as_a_request(client: Client, settings) -> None:
    settings.OAUTH_RATE_LIMITS = {"register": "1/minute"}
    assert [client.options("/register", headers=PREFLIGHT).status_code for _ in range(3)] == [200] * 3


@pytest.mark.django_db
@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["get", "post", "options"])
def test_pages_for_people_and_introspection_are_closed_to_other_origins(
    client: Client, path: str, method: str
) -> None:
    answer = getattr(client, method)(path, headers=PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in answer
