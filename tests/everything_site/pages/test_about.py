"""The pages about this server, and the text files for crawlers, researchers and directories."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured
from django.test import Client

from everything_site import env
from everything_site.pages.examples import EXAMPLES
from mcp_app.runtime import Runtime

pytestmark = pytest.mark.django_db

PAGES = ("documentation", "privacy", "terms", "support")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_links_to_the_pages_about_this_server(client: Client, page: str) -> None:
    for path in ("/", f"/{page}", "/nowhere"):
        assert f'<a href="/{page}">' in client.get(path).content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(client: Client, page: str) -> None:
    text = client.get(f"/{page}").content.decode()
    inside = {urlsplit(link).path for link in re.findall(r'href="(/[^"]*)"', text)} - {"/mcp/server-card"}
    for path in sorted(path for path in inside if not path.startswith("/static/")):
        assert client.get(path, follow=True).status_code == 200, path


def test_both_metadata_documents_name_the_pages(client: Client) -> None:
    resource = client.get("/.well-known/oauth-protected-resource/mcp").json()
    server = client.get("/.well-known/oauth-authorization-server").json()
    for of_resource, of_server, path in (
        ("resource_documentation", "service_documentation", "/documentation"),
        ("resource_policy_uri", "op_policy_uri", "/privacy"),
        ("resource_tos_uri", "op_tos_uri", "/terms"),
    ):
        assert resource[of_resource] == server[of_server] == f"{configured.BASE_URI}{path}"


def test_a_page_of_the_operator_replaces_ours_everywhere(tmp_path: Any) -> None:
    url = "https://example.com/privacy"
    settings = env.read(tmp_path, {"PRIVACY_URL": url}).settings
    assert settings["MCP_RESOURCE_POLICY_URI"] == settings["OAUTH_OP_POLICY_URI"] == url


def test_the_address_of_a_replaced_page_leads_to_the_other_one(client: Client, settings: Any) -> None:
    settings.PAGES = {**settings.PAGES, "Terms": "https://example.com/terms"}
    response = client.get("/terms")
    assert (response.status_code, response["Location"]) == (302, "https://example.com/terms")
    assert '<a href="https://example.com/terms">' in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("contact", "url"),
    [
        ("help@example.com", "mailto:help@example.com"),
        ("https://example.com/help", "https://example.com/help"),
    ],
)
def test_the_contact_is_on_the_page_and_in_security_txt(
    client: Client, monkeypatch: pytest.MonkeyPatch, contact: str, url: str
) -> None:
    monkeypatch.setattr(configured.ENV, "contact", contact)
    assert f'href="{url}"' in client.get("/support").content.decode()
    assert f"Contact: {url}\n" in client.get("/.well-known/security.txt").content.decode()


@pytest.mark.parametrize("contact", ["nobody", "http://example.com", "mailto:a@example.com", "a @b"])
def test_a_contact_is_an_address_or_a_secure_page(tmp_path: Any, contact: str) -> None:
    with pytest.raises(Exception, match="CONTACT must be an e-mail address or an https URL"):
        env.read(tmp_path, {"CONTACT": contact})


def test_security_txt_has_what_rfc_9116_requires(client: Client) -> None:
    response = client.get("/.well-known/security.txt")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    lines = dict(line.split(": ", 1) for line in response.content.decode().splitlines())
    assert lines["Contact"] == f"{configured.BASE_URI}/support"
    assert lines["Canonical"] == f"{configured.BASE_URI}/.well-known/security.txt"
    expires = datetime.fromisoformat(lines["Expires"])
    assert timedelta(days=90) < expires - datetime.now(UTC) < timedelta(days=365)


def test_crawlers_leave_out_what_needs_a_person(client: Client) -> None:
    text = client.get("/robots.txt").content.decode()
    assert text.startswith("User-agent: *\n")
    assert "Disallow: /admin/\n" in text
    assert "Disallow: /\n" not in text


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai-apps-challenge", "openai_apps_challenge"), ("mcp-registry-auth", "registry_auth")],
)
def test_a_directory_finds_what_it_asked_to_publish(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    path = f"/.well-known/{name}"
    assert client.get(path).json() == {"error": "not_found"}
    monkeypatch.setattr(configured.ENV, variable, "v=MCPv1; k=ed25519; p=c2VjcmV0=")
    response = client.get(path)
    assert response.content == b"v=MCPv1; k=ed25519; p=c2VjcmV0="
    assert response["Content-Type"].startswith("text/plain")


@pytest.mark.urls("everything_site.urls.resource_server")
def test_in_separate_mode_the_mcp_server_has_the_pages(client: Client) -> None:
    for page in (*PAGES, "robots.txt", ".well-known/security.txt"):
        assert client.get(f"/{page}").status_code == 200, page


async def test_the_examples_call_tools_that_exist_and_are_as_many_as_directories_want() -> None:
    tools = {tool.name for tool in await Runtime().server.list_tools()}
    assert {example.tool for example in EXAMPLES} <= tools
    assert 3 <= len(EXAMPLES) <= 10


def test_the_documentation_shows_the_examples(client: Client) -> None:
    text = client.get("/documentation").content.decode()
    assert all(example.prompt in text for example in EXAMPLES)
