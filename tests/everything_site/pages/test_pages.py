"""Every page has the right content and headers, cannot be framed, and has no inline scripts or styles."""

import re

import pytest

from tests.oauth_app import flow

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/documentation", 200),
        ("/privacy", 200),
        ("/terms", 200),
        ("/support", 200),
        ("/nowhere", 404),
        ("/authorize?client_id=nobody&prompt=none", 400),
        ("/fakeupstreamauth/callback", 400),
        ("/fakeupstreamauth/authorize", 200),
    ],
)
def test_pages_are_safe_and_accessible(client, path, status):
    page = client.get(path, follow=True)
    assert page.status_code == status
    text = page.content.decode()
    assert '<html lang="en">' in text
    assert "width=device-width" in text
    assert len(re.findall("<h1", text)) == 1
    for script in re.findall("<script[^>]*>", text):
        assert re.match(r'<script (type="module" )?src="/static/', script)
    assert "style=" not in text
    assert "<style" not in text
    for control in re.findall(r'<input[^>]*type="text"[^>]*id="([^"]+)"', text):
        assert f'<label for="{control}"' in text
    assert page["X-Frame-Options"] == "DENY"
    assert "Everything Server</title>" in text or "Fake identity provider</title>" in text
    policy = page["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "form-action" not in policy
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"


def test_the_consent_page_has_the_policy_and_the_name_of_the_site(client):
    page = flow.sign_in(client, flow.authorize_url(flow.register(client).json()["client_id"]))
    policy = page["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "form-action" not in policy
    assert "<title>Allow access? \u2013 Everything Server</title>" in page.content.decode()


def test_the_landing_page_says_how_to_connect(client):
    text = client.get("/").content.decode()
    assert flow.RESOURCE in text
    assert "npx -y @modelcontextprotocol/inspector@latest" in text
    assert "/admin/" in text


def test_an_expired_form_is_explained(client):
    from django.test import Client as Http

    http = Http(enforce_csrf_checks=True)
    page = flow.sign_in(http, flow.authorize_url(flow.register(http).json()["client_id"]))
    answer = http.post(flow.form_action(page), {"decision": "allow"})
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        "/authorize?client_id=nobody",
        "/fakeupstreamauth/authorize",
        "/fakeupstreamauth/callback",
        "/admin/login/",
        "/nowhere",
        "/",
    ],
)
def test_a_page_that_a_client_may_open_in_a_popup_keeps_its_opener(client, path):
    page = client.get(path)
    while "Location" in page:
        assert "Cross-Origin-Opener-Policy" not in page
        page = client.get(page["Location"])
    assert "Cross-Origin-Opener-Policy" not in page


def test_the_whole_way_through_a_popup_keeps_its_opener(client):
    authorize = flow.authorize_url(flow.register(client).json()["client_id"])
    begun = client.get(authorize)
    asked = client.get(begun["Location"])
    chosen = client.post(flow.form_action(asked), {"person": "alice"})
    signed_in = client.get(chosen["Location"])
    consent = client.get(signed_in["Location"])
    allowed = client.post(flow.form_action(consent), {"decision": "allow"})
    for answer in (begun, asked, chosen, signed_in, consent, allowed):
        assert "Cross-Origin-Opener-Policy" not in answer


@pytest.mark.parametrize("path", ["/admin/", "/admin/oauth_app/client/", "/connections"])
def test_pages_that_change_access_are_isolated_from_their_opener(admin_client, path):
    assert admin_client.get(path)["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_workbench_is_isolated_from_its_opener_but_not_from_its_own_popup(client):
    assert client.get("/try")["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    assert "Cross-Origin-Opener-Policy" not in client.get("/try/callback")


@pytest.mark.parametrize("path", ["/", "/try", "/tour/", "/mcp"])
def test_no_cache_keeps_a_page_that_says_who_is_signed_in(admin_client, path):
    page = admin_client.get(path, headers={"accept": "text/html"})
    assert "admin</bdi>" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert "private" in page["Cache-Control"]


def test_cookies_have_names_that_no_other_application_on_the_host_sets(admin_client, settings):
    names = set(admin_client.cookies)
    admin_client.get("/fakeupstreamauth/authorize", follow=True)
    admin_client.get("/admin/")
    names |= set(admin_client.cookies)
    assert names
    assert all(name.startswith("everything-3232-") for name in names), names


def test_an_error_of_ours_is_a_plain_page(client, monkeypatch):
    from everything_site.pages import views

    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(views, "render", fail)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("urls", ["integrated", "authorization_server", "resource_server"])
def test_each_server_has_an_icon_where_browsers_look_for_it(client, settings, urls):
    settings.ROOT_URLCONF = f"everything_site.urls.{urls}"
    answer = client.get("/favicon.ico")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/x-icon"
    assert answer.content.startswith(b"\0\0\1\0"), "the first bytes of an ICO file"
    assert "max-age" in answer["Cache-Control"]
