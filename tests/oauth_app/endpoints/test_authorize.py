import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client as Http
from django.utils import timezone

from oauth_app.models import AccessToken, Client, Grant, RefreshToken
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db

SITE = "https://site.example/cb"
PAST = "2020-01-01T00:00Z"


@pytest.fixture
def client_id(client):
    return flow.register(client).json()["client_id"]


@pytest.fixture
def signed_in(client):
    client.force_login(User.objects.create_user("alice"))
    return client


@pytest.fixture
def site(client):
    """A client that is a site, and registered itself."""
    return flow.register(client, redirect_uris=[SITE]).json()["client_id"]


@pytest.fixture
def allowed(signed_in, site):
    """The browser of somebody who has connected the site."""
    code = flow.allow(signed_in, signed_in.get(site_url(site)))["code"]
    assert flow.exchange(signed_in, site, code, redirect_uri=SITE).status_code == 200
    return signed_in


def site_url(site, **parameters):
    return flow.authorize_url(site, redirect_uri=SITE, **parameters)


def shows_an_error(answer):
    """Whether the answer is a page that explains an error, and no redirect."""
    page = answer.content.decode()
    return answer.status_code == 400 and "Location" not in answer and "could not be connected" in page


def _main(answer):
    return answer.content.decode().partition("<main")[2].partition("</main>")[0]


def way_back(answer):
    """The link of a page of an error that returns to the client."""
    found = re.findall(r'<a href="([^"]*)">', _main(answer))
    return unescape(found[0]) if found else None


def error(answer, address=flow.CALLBACK):
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(f"{address}?")
    given = flow.parameters(answer)
    assert given["iss"] == flow.ISSUER
    return given["error"]


def test_consent_shows_who_asks_for_what_and_where_it_goes(signed_in, client_id):
    page = signed_in.get(flow.authorize_url(client_id, scope="mcp mcp:admin")).content.decode()
    assert "Test Client" in page
    assert "127.0.0.1:6274" in page
    assert "a program on this computer" in page
    assert "alice" in page
    assert flow.RESOURCE in page
    assert "mcp:admin" in page
    assert "Not you?" in page


@pytest.mark.parametrize("scope", ["mcp", "mcp offline_access", None])
@pytest.mark.parametrize(("seconds", "shown"), [(7 * 24 * 3600, "1 week"), (36 * 3600, "1 day, 12 hours")])
def test_consent_says_how_long_access_lasts_whatever_was_requested(
    signed_in, client_id, settings, scope, seconds, shown
):
    settings.OAUTH_REFRESH_SECONDS = seconds
    page = unescape(signed_in.get(flow.authorize_url(client_id, scope=scope)).content.decode())
    assert f"unused for {shown}" in " ".join(page.split())
    assert 'href="/connections"' in page


def test_consent_marks_what_is_new_and_folds_what_the_user_has_allowed_already(alice):
    page = alice.http.get(flow.authorize_url(alice.client_id, scope="mcp mcp:admin"))
    assert [scope for scope, _ in page.context["new_scopes"]] == ["mcp:admin"]
    assert [scope for scope, _ in page.context["allowed_scopes"]] == ["mcp"]
    new, folded = page.content.decode().split("Already allowed (1)")
    assert ">New<" in new
    assert "<code>mcp</code>" not in new
    assert "<code>mcp</code>" in folded


def test_consent_marks_nothing_as_new_the_first_time(signed_in, client_id):
    page = signed_in.get(flow.authorize_url(client_id, scope="mcp mcp:admin")).content.decode()
    assert ">New<" not in page
    assert "Already allowed" not in page


def test_what_another_user_or_client_was_allowed_is_new(alice, client_id):
    page = alice.http.get(flow.authorize_url(client_id))
    assert page.context["allowed_scopes"] == []
    bob = flow.sign_in(Http(), flow.authorize_url(alice.client_id), "bob")
    assert bob.context["allowed_scopes"] == []


def test_nobody_is_frightened_of_a_page_of_this_server(signed_in):
    own = f"{flow.ISSUER}/try/callback"
    client_id = flow.register(signed_in, redirect_uris=[own]).json()["client_id"]
    page = signed_in.get(flow.authorize_url(client_id, redirect_uri=own)).content.decode()
    assert "a page of this server" in page
    assert "on this computer" not in page
    other = own.replace("localhost:3232", "localhost:3233")
    page = signed_in.get(flow.authorize_url(client_id, redirect_uri=other)).content.decode()
    assert "a page of this server" not in page
    assert "a program on this computer" in page


def test_no_warning_for_a_site(signed_in):
    client_id = flow.register(signed_in, redirect_uris=["https://claude.ai/cb"]).json()["client_id"]
    page = signed_in.get(flow.authorize_url(client_id, redirect_uri="https://claude.ai/cb"))
    assert "claude.ai" in page.content.decode()
    assert "on this computer" not in page.content.decode()


def test_nothing_is_granted_before_consent(signed_in, client_id):
    assert signed_in.get(flow.authorize_url(client_id)).status_code == 200
    assert not Grant.objects.exists()


def test_denying_tells_the_client_and_grants_nothing(allowed, site):
    page = allowed.get(site_url(site))
    for decision in ({"decision": "deny"}, {}, {"decision": "maybe"}, {"allow": "true"}):
        answer = allowed.post(flow.form_action(page), decision)
        assert error(answer, SITE) == "access_denied"
        assert flow.parameters(answer)["state"] == "xyz"
    assert Grant.objects.count() == 1


def test_after_a_first_denial_the_user_decides_whether_to_return(signed_in, site):
    page = signed_in.get(site_url(site))
    answer = signed_in.post(flow.form_action(page), {"decision": "deny"})
    assert shows_an_error(answer)
    assert "nothing was granted" in answer.content.decode()
    assert "site.example" in answer.content.decode(), "where the link leads"
    link = urlsplit(way_back(answer))
    assert parse_qs(link.query) == {
        "error": ["access_denied"],
        "error_description": ["The user denied access."],
        "state": ["xyz"],
        "iss": [flow.ISSUER],
    }
    assert link._replace(query="").geturl() == SITE
    assert not Grant.objects.exists()


@pytest.mark.parametrize("host", ["127.0.0.1:6274", "localhost:1", "[::1]"])
def test_a_program_that_waits_on_this_computer_hears_of_a_first_denial(signed_in, host):
    uri = f"http://{host}/cb"
    client_id = flow.register(signed_in, redirect_uris=[uri]).json()["client_id"]
    url = flow.authorize_url(client_id, redirect_uri=uri)
    assert error(signed_in.post(url, {"decision": "deny"}), uri) == "access_denied"


@pytest.mark.parametrize("uri", ["https://localhost/cb", "cursor://localhost/cb", "com.example.app:/cb"])
def test_only_http_on_a_loopback_address_is_known_to_be_no_site(signed_in, settings, uri):
    settings.OAUTH_CUSTOM_SCHEMES = ["cursor", "com.example.app"]
    client_id = flow.register(signed_in, redirect_uris=[uri]).json()["client_id"]
    answer = signed_in.post(flow.authorize_url(client_id, redirect_uri=uri), {"decision": "deny"})
    assert way_back(answer).startswith(f"{uri}?error=access_denied")


ERRORS = [
    {"scope": "zzz"},
    {"response_type": None},
    {"response_type": "token"},
    {"code_challenge": None},
    {"resource": "https://other.example/mcp"},
    {"prompt": "none"},
    {"prompt": "none", "scope": "zzz"},
    {"prompt": "none", "response_type": None},
    {"code_challenge_method": "plain"},
    {"code_challenge": "short"},
    {"response_mode": "fragment"},
    {"response_mode": "form_post"},
    {"response_mode": "query fragment"},
    {"response_mode": ["query", "fragment"]},
    {"response_mode": ["fragment", "query"]},
    {"resource": ["http://localhost:3232/mcp", "https://other.example/mcp"]},
]


@pytest.mark.parametrize("change", ERRORS)
def test_an_error_redirects_nobody_to_a_site_that_registered_itself_and_has_no_access_to_their_account(
    allowed, site, change
):
    """RFC 9700 §4.11.2. That alice has connected it says nothing about others."""
    bob = Http()
    bob.force_login(User.objects.create_user("bob"))
    url = site_url(site, **change)
    for http, address in ((Http(), ""), (bob, SITE)):
        for answer in (http.get(url), http.post(url, {"decision": "deny"})):
            assert shows_an_error(answer)
            assert (way_back(answer) or "").partition("?")[0] == address


@pytest.mark.parametrize("change", ERRORS)
def test_a_program_on_this_computer_hears_of_errors_of_signed_in_users_only(signed_in, client_id, change):
    url = flow.authorize_url(client_id, **change)
    assert error(signed_in.get(url))
    assert shows_an_error(Http().get(url)), "nobody is signed in"


@pytest.mark.parametrize("change", [{"scope": "zzz"}, {"prompt": "none"}, {"response_mode": "fragment"}])
def test_nor_to_a_site_that_is_known_by_a_url(signed_in, change):
    url = "https://client.example/client.json"
    Client.objects.create(
        client_id=url,
        redirect_uris=SITE,
        client_type="public",
        registration_source=Client.RegistrationSource.CIMD,
        cimd_expires_at=timezone.now() + timedelta(hours=1),
    )
    for http in (Http(), signed_in):
        asked = flow.authorize_url(url, redirect_uri=SITE, **change)
        for answer in (http.get(asked), http.post(asked, {"decision": "deny"})):
            assert flow.asks_to_sign_in(answer) or shows_an_error(answer)


@pytest.mark.parametrize("name", ["request", "request_uri"])
@pytest.mark.parametrize(
    "value", ["https://client.example/request", "eyJhbGciOiJub25lIn0.eyJzY29wZSI6IngifQ."]
)
def test_a_request_object_changes_nothing(signed_in, client_id, name, value):
    """Its parameters are ignored (RFC 6749 §3.1), so what the page shows is what is granted."""
    page = signed_in.get(flow.authorize_url(client_id, scope="mcp", **{name: value}))
    assert page.status_code == 200
    assert [scope for scope, _ in page.context["new_scopes"]] == ["mcp"]
    assert "code" in flow.allow(signed_in, page)
    assert Grant.objects.get().scope == "mcp"


def test_a_connected_client_stays_trusted_when_old_rows_are_deleted(allowed, site):
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Grant.objects.update(expires=an_hour_ago)
    AccessToken.objects.update(expires=an_hour_ago)
    call_command("prune", verbosity=0)
    assert not Grant.objects.exists()
    assert error(allowed.get(site_url(site, scope="zzz")), SITE) == "invalid_scope"


def test_a_disconnected_client_is_trusted_no_longer(allowed, site):
    allowed.post("/connections", {"client": Client.objects.get(client_id=site).pk})
    assert shows_an_error(allowed.get(site_url(site, scope="zzz")))


@pytest.mark.parametrize("gone", ["expires", "revoked", "superseded"])
def test_a_token_that_has_ended_is_no_sign_of_trust(allowed, site, gone):
    AccessToken.objects.update(expires=PAST)
    RefreshToken.objects.update(**{gone: PAST})
    assert shows_an_error(allowed.get(site_url(site, scope="zzz")))


def test_an_access_token_alone_is_a_sign_of_trust(allowed, site):
    RefreshToken.objects.update(superseded=PAST)
    assert error(allowed.get(site_url(site, scope="zzz")), SITE) == "invalid_scope"


@pytest.mark.parametrize("change", ERRORS)
def test_a_client_of_an_administrator_is_told_of_errors(signed_in, site, change):
    Client.objects.update(registration_source="manual")
    assert error(signed_in.get(site_url(site, **change)), SITE)
    answer = Http().get(site_url(site, **change))
    if change == {"prompt": "none"}:
        assert error(answer, SITE) == "login_required"
    else:
        assert shows_an_error(answer), "nobody is signed in"


def test_consent_without_the_csrf_token_is_refused(client_id):
    http = Http(enforce_csrf_checks=True)
    http.force_login(User.objects.create_user("alice"))
    answer = http.post(flow.authorize_url(client_id), {"decision": "allow"})
    assert answer.status_code == 403
    assert not Grant.objects.exists()


def test_a_grant_needs_someone_signed_in(client, client_id):
    answer = client.post(flow.authorize_url(client_id), {"decision": "allow"})
    assert flow.asks_to_sign_in(answer)
    assert not Grant.objects.exists()


def test_consent_is_required_again_whatever_the_url_says(signed_in, client_id):
    flow.allow(signed_in, signed_in.get(flow.authorize_url(client_id)))
    Client.objects.get().accesstoken_set.create(
        user=User.objects.get(), scope="mcp", expires="2099-01-01T00:00Z", token_checksum="x"
    )
    for wish in ({"approval_prompt": "auto"}, {"prompt": "login"}, {"prompt": "create"}, {}):
        page = signed_in.get(flow.authorize_url(client_id, **wish))
        assert page.status_code == 200, wish
        assert b'value="allow"' in page.content


def test_a_client_cannot_be_made_to_skip_consent(client_id):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.update(skip_authorization=True)


def test_the_body_cannot_change_what_was_shown(signed_in, client_id):
    page = signed_in.get(flow.authorize_url(client_id))
    signed_in.post(
        flow.form_action(page),
        {
            "decision": "allow",
            "scope": "mcp mcp:admin",
            "redirect_uri": "https://evil.example",
            "state": "other",
        },
    )
    grant = Grant.objects.get()
    assert grant.scope == "mcp"
    assert grant.redirect_uri == flow.CALLBACK


class TestFurtherScopes:
    """A user may grant more than a client requests (RFC 6749 §3.3): many clients never step up."""

    def test_they_are_offered_unticked(self, signed_in, client_id):
        page = signed_in.get(flow.authorize_url(client_id, scope="mcp")).content.decode()
        [box] = re.findall(r"<input [^>]*checkbox[^>]*>", page)
        assert 'value="mcp:admin"' in box
        assert "checked" not in box

    def test_requested_scopes_are_not_offered_again(self, signed_in, client_id):
        page = signed_in.get(flow.authorize_url(client_id, scope="mcp mcp:admin")).content.decode()
        assert "checkbox" not in page

    def test_a_ticked_one_is_granted_and_the_answer_says_so(self, signed_in, client_id, verify):
        page = signed_in.get(flow.authorize_url(client_id, scope="mcp"))
        answer = signed_in.post(flow.form_action(page), {"decision": "allow", "also": "mcp:admin"})
        tokens = flow.exchange(signed_in, client_id, flow.parameters(answer)["code"]).json()
        assert tokens["scope"] == "mcp mcp:admin"
        assert verify(tokens["access_token"]).scopes == ["mcp", "mcp:admin"]
        renewed = flow.refresh(signed_in, client_id, tokens["refresh_token"]).json()
        assert renewed["scope"] == "mcp mcp:admin"

    @pytest.mark.parametrize(
        "ticked", [[], [""], ["introspection"], ["mcp mcp:admin"], ["offline_access"], ["mcp"], ["MCP:ADMIN"]]
    )
    def test_nothing_else_can_be_ticked(self, signed_in, client_id, ticked):
        page = signed_in.get(flow.authorize_url(client_id, scope="mcp"))
        signed_in.post(flow.form_action(page), {"decision": "allow", "also": ticked})
        assert Grant.objects.get().scope == "mcp"

    def test_a_ticked_one_is_granted_once(self, signed_in, client_id):
        page = signed_in.get(flow.authorize_url(client_id, scope="mcp:admin"))
        signed_in.post(flow.form_action(page), {"decision": "allow", "also": ["mcp:admin", "mcp:admin"]})
        assert Grant.objects.get().scope == "mcp mcp:admin"

    def test_denying_grants_nothing_whatever_is_ticked(self, signed_in, client_id):
        page = signed_in.get(flow.authorize_url(client_id))
        answer = signed_in.post(flow.form_action(page), {"decision": "deny", "also": "mcp:admin"})
        assert error(answer) == "access_denied"
        assert not Grant.objects.exists()


def test_switching_signs_out_and_asks_who_it_is(signed_in, client_id):
    url = flow.authorize_url(client_id)
    answer = signed_in.post(url, {"decision": "switch"})
    assert flow.asks_to_sign_in(answer)
    assert "bob" in flow.sign_in(signed_in, url, "bob").content.decode()


def test_prompt_none_asks_for_neither_a_sign_in_nor_a_consent(client, client_id):
    url = flow.authorize_url(client_id, prompt="none")
    answer = client.get(url)
    assert shows_an_error(answer)
    assert "login_required" in answer.content.decode()
    flow.sign_in(client, flow.authorize_url(client_id))
    assert error(client.get(url)) == "consent_required"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "S512"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 200}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unauthorized_client"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "introspection"}, "invalid_scope"),
        ({"scope": "mcp unknown"}, "invalid_scope"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": "http://localhost:3232"}, "invalid_target"),
        ({"resource": [flow.RESOURCE, "https://other.example/mcp"]}, "invalid_target"),
        ({"resource": "http://localhost:3232/message"}, "invalid_target"),
        ({"resource": flow.SSE_RESOURCE + "/mcp"}, "invalid_target"),
        ({"state": "x" * 5000}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": ["query", "query"]}, "invalid_request"),
        ({"code_challenge": [flow.challenge(), flow.challenge("other" * 10)]}, "invalid_request"),
        ({"code_challenge_method": ["S256", "plain"]}, "invalid_request"),
        ({"scope": "MCP"}, "invalid_scope"),
    ],
)
def test_an_invalid_request_is_reported_to_the_client(allowed, site, change, expected):
    answer = allowed.get(site_url(site, **change))
    assert error(answer, SITE) == expected
    assert flow.parameters(answer)["error_description"]
    assert error(allowed.post(site_url(site, **change), {"decision": "allow"}), SITE) == expected
    assert Grant.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "a\0b"},
        {"state": "a\0b"},
        {"client_id": ["one", "two"]},
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": flow.CALLBACK + "/more"},
        {"redirect_uri": flow.CALLBACK + "?x=1"},
        {"redirect_uri": flow.CALLBACK + "#x"},
        {"redirect_uri": flow.CALLBACK.replace("//", "//evil@")},
        {"redirect_uri": flow.CALLBACK.replace("127.0.0.1", "localhost")},
        {"redirect_uri": flow.CALLBACK.replace("http:", "https:")},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://["},
        {"redirect_uri": "http://127.0.0.1:99999/oauth/callback"},
        {"redirect_uri": "not a uri"},
        {"redirect_uri": [flow.CALLBACK, "https://evil.example/cb"]},
        {"redirect_uri": ""},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(signed_in, client_id, change):
    url = flow.authorize_url(client_id, **change)
    for answer in (signed_in.get(url), signed_in.post(url, {"decision": "allow"})):
        if answer.status_code == 302:  # an empty redirect_uri is an absent one
            assert answer["Location"].startswith(flow.CALLBACK + "?")
            assert change == {"redirect_uri": ""}
        elif change != {"redirect_uri": ""}:
            assert answer.status_code == 400
            assert "could not be connected" in answer.content.decode()
            assert "Location" not in answer
            assert answer["X-Frame-Options"] == "DENY"
    assert change == {"redirect_uri": ""} or not Grant.objects.exists()


@pytest.mark.parametrize(
    "query",
    ["%", "%zz", "client_id=%zz", "client_id=%ff&scope=%fe", "=", "&&&", "a=b=c", "client_id=\\&x=\"'"],
)
def test_an_unreadable_query_is_a_400(signed_in, query):
    assert signed_in.get(f"/authorize?{query}").status_code == 400
    assert signed_in.post(f"/authorize?{query}", {"decision": "allow"}).status_code == 400


@pytest.mark.parametrize("name", ["scope", "redirect_uri", "resource", "prompt", "state"])
def test_a_parameter_without_a_value_counts_as_omitted(signed_in, client_id, name):
    url = flow.authorize_url(client_id, **{name: None})
    for empty in (f"{name}=", name, f"{name}=&{name}="):
        page = signed_in.get(f"{url}&{empty}")
        assert page.status_code == 200
        answer = signed_in.post(flow.form_action(page), {"decision": "allow"})
        assert "code" in flow.parameters(answer)
    assert signed_in.get(flow.authorize_url(client_id, client_id="")).status_code == 400


@pytest.mark.parametrize("unknown", ["nobody", "", "\0"])
def test_nobody_is_asked_to_sign_in_for_an_unknown_client(client, db, unknown):
    for answer in (
        client.get(flow.authorize_url(unknown)),
        client.post(flow.authorize_url(unknown), {"decision": "allow"}),
    ):
        assert answer.status_code == 400
        assert "_auth_user_id" not in client.session


def test_a_long_url_is_not_stored_for_a_stranger(client, client_id):
    assert client.get(flow.authorize_url(client_id, x="x" * 20_000)).status_code == 400
    assert not Session.objects.exists()


def test_a_refused_redirect_is_logged_without_its_query(signed_in, client_id, caplog):
    signed_in.get(flow.authorize_url(client_id, redirect_uri="https://evil.example/cb?token=hidden"))
    record = next(record for record in caplog.records if record.message == "redirect URI rejected")
    assert record.redirect_uri == "https://evil.example/cb"
    assert record.client == client_id


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_any_port_of_this_computer_gets_its_answer(signed_in, host):
    client_id = flow.register(signed_in, redirect_uris=[f"http://{host}:6274/cb"]).json()["client_id"]
    uri = f"http://{host}:50123/cb"
    answer = signed_in.post(flow.authorize_url(client_id, redirect_uri=uri), {"decision": "allow"})
    assert answer["Location"].startswith(uri + "?")


def test_a_custom_scheme_gets_its_response(signed_in):
    uri = "cursor://anysphere.cursor-mcp/oauth/callback"
    client_id = flow.register(signed_in, redirect_uris=[uri]).json()["client_id"]
    url = flow.authorize_url(client_id, redirect_uri=uri)
    assert "cursor://anysphere.cursor-mcp" in signed_in.get(url).content.decode()
    assert signed_in.post(url, {"decision": "allow"})["Location"].startswith(uri + "?code=")


@pytest.mark.parametrize(
    ("uri", "joint"),
    [
        ("https://app.example.com/cb?tenant=a%20b&x", "&"),
        ("https://app.example.com/cb?a=+b", "&"),
        ("https://app.example.com/cb?a=%2b%2B%c3%a4", "&"),
        ("https://app.example.com/cb?a=1&a=2&&b", "&"),
        ("https://app.example.com/cb?a=1&", ""),
        ("https://app.example.com/cb?", ""),
        ("https://app.example.com/cb?a;b=c:d/e?f@g", "&"),
        ("https://app.example.com/%7Ea/~b/c;v=1?q=(x)*!$',", "&"),
        ("https://app.example.com", "?"),
        ("http://localhost:6274/cb?a=%20b", "&"),
        ("cursor://anysphere.cursor-mcp/cb?a=%20b", "&"),
        ("HTTPS://App.Example.com:443/cb", "?"),
    ],
)
def test_a_redirect_uri_is_appended_to_and_never_rewritten(signed_in, uri, joint):
    client_id = flow.register(signed_in, redirect_uris=[uri]).json()["client_id"]
    url = flow.authorize_url(client_id, redirect_uri=uri, state="a b+ä&")
    for wrong, decision, parameter in (
        ({}, "allow", "code"),
        ({}, "deny", "error"),
        ({"scope": "x"}, "", "error"),
    ):
        asked = flow.authorize_url(client_id, redirect_uri=uri, state="a b+ä&", **wrong) if wrong else url
        answer = signed_in.post(asked, {"decision": decision})
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{uri}{joint}{parameter}=")
        added = parse_qs(answer["Location"].removeprefix(uri + joint))
        assert added["iss"] == [flow.ISSUER]
        assert added["state"] == ["a b+ä&"]
        if decision == "allow":  # from now on, errors redirect as well
            assert flow.exchange(signed_in, client_id, *added["code"], redirect_uri=uri).status_code == 200


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "mcp"),
        ("offline_access", "mcp offline_access"),
        ("mcp:admin", "mcp mcp:admin"),
        ("mcp  offline_access", "mcp offline_access"),
        (" mcp ", "mcp"),
        ("mcp mcp", "mcp"),
        ("  ", "mcp"),
    ],
)
def test_a_grant_always_has_the_base_scope(signed_in, client_id, asked, granted):
    flow.allow(signed_in, signed_in.get(flow.authorize_url(client_id, scope=asked)))
    assert Grant.objects.get().scope == granted


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": [flow.CALLBACK, "https://evil.example/cb"]},
        {"response_type": "token"},
        {"response_type": None},
        {"code_challenge": None},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"scope": "introspection"},
        {"resource": "https://other.example/mcp"},
        {"response_mode": "fragment"},
        {"state": "x" * 5000},
    ],
)
def test_nobody_is_asked_to_sign_in_for_a_request_that_would_be_refused(client, client_id, change):
    url = flow.authorize_url(client_id, **change)
    for answer in (client.get(url), client.post(url, {"decision": "allow"})):
        assert answer.status_code == 400
        assert "Location" not in answer, "any client can register the address"
        assert "could not be connected" in answer.content.decode()
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "",
        flow.RESOURCE,
        flow.RESOURCE + "/",
        "HTTP://LOCALHOST:3232/mcp",
        [flow.RESOURCE] * 2,
        flow.SSE_RESOURCE,
        flow.SSE_RESOURCE + "/",
        [flow.RESOURCE, flow.SSE_RESOURCE],
    ],
)
def test_every_grant_is_bound_to_the_resource(signed_in, client_id, resource):
    signed_in.post(flow.authorize_url(client_id, resource=resource), {"decision": "allow"})
    assert Grant.objects.get().resource == [flow.RESOURCE]


def test_markup_and_direction_marks_in_a_name_are_inert(signed_in):
    name = "<script>alert(1)</script>\u202eevil\u2066"
    client_id = flow.register(signed_in, client_name=name).json()["client_id"]
    page = signed_in.get(flow.authorize_url(client_id)).content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "\u2066" not in page


@pytest.mark.parametrize("change", [{}, {"client_id": "nobody"}])
def test_pages_refuse_to_be_framed_cached_or_scripted(signed_in, client_id, change):
    answer = signed_in.get(flow.authorize_url(client_id, **change))
    assert answer["X-Frame-Options"] == "DENY"
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    for inline in (b"<script>", b"<style", b"style=", b"onclick"):
        assert inline not in answer.content


def test_an_expired_or_disabled_client_is_refused(signed_in, client_id):
    Client.objects.update(created="2020-01-01T00:00Z")
    assert signed_in.get(flow.authorize_url(client_id)).status_code == 400
    Client.objects.update(last_used="2099-01-01T00:00Z")
    assert signed_in.get(flow.authorize_url(client_id)).status_code == 200
    Client.objects.update(is_enabled=False)
    assert signed_in.get(flow.authorize_url(client_id)).status_code == 400


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"is_enabled": False}, "disabled", "has been disabled here"),
        ({"created": PAST}, "expired", "its registration has expired"),
        ({"client_id": "another"}, "unknown", "is not registered here"),
    ],
    ids=["disabled", "expired", "unknown"],
)
def test_the_page_and_the_log_say_why_a_client_is_refused(signed_in, client_id, caplog, change, reason, says):
    caplog.set_level("INFO")
    Client.objects.update(**change)
    assert says in signed_in.get(flow.authorize_url(client_id)).content.decode()
    [line] = [line for line in caplog.records if line.getMessage() == "authorization request rejected"]
    assert line.reason == reason


def test_the_code_reaches_the_client_only(signed_in, client_id):
    answer = signed_in.post(flow.authorize_url(client_id), {"decision": "allow"})
    assert urlsplit(answer["Location"]).netloc == "127.0.0.1:6274"
    assert answer.content == b""
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "client_id",
    [
        "https://g\u00edthub.example/client.json",
        "https://g\u0456thub.example/client.json",
        "https://github.com\u3002evil.example/client.json",
        "https://github.example/cl\u00efent.json",
        "HTTPS://G\u00cdTHUB.example/client.json",
        "caf\u00e9",
        "a\x7fb",
        "a\u200bb",
    ],
)
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_a_client_id_that_could_look_like_another_is_refused(client, db, client_id, is_signed_in):
    if is_signed_in:
        client.force_login(User.objects.create_user("alice"))
    page = client.get(flow.authorize_url(client_id))
    assert page.status_code == 400
    assert "client_id contains characters that are not allowed" in page.content.decode()
