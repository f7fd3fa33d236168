import itertools
import re
import secrets
from html import escape, unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import signing
from django.db.models.signals import post_save
from django.http import HttpResponseRedirect
from django.test import Client as Http

from fakeupstream import provider, sign_in
from oauth_app.endpoints.authorize import MAX_URL_LENGTH
from oauth_app.endpoints.consent import asking_client
from tests.fakeupstream.pages import choose, sign_in_here
from tests.oauth_app import flow

pytestmark = pytest.mark.django_db

CALLBACK = "/fakeupstreamauth/callback"


@pytest.fixture
def provider_page(client):
    """The provider's page, on the way to a client's consent."""
    client_id = flow.register(client).json()["client_id"]
    return client.get(client.get(flow.authorize_url(client_id))["Location"])


def state_of(page):
    return parse_qs(urlsplit(flow.form_action(page)).query)["state"][0]


def sign_in_cookies(http):
    return [cookie for name, cookie in http.cookies.items() if name.startswith(sign_in.cookie_prefix())]


def test_it_works(client, provider_page):
    assert provider_page.status_code == 200
    answer = choose(client, provider_page, person="alice")
    done = client.get(answer["Location"])
    assert done["Location"].startswith("/authorize?")
    assert client.get(done["Location"]).wsgi_request.user.username == "alice"
    assert not User.objects.get().has_usable_password()


def test_it_says_which_application_asks_and_that_it_is_a_demonstration(client, provider_page):
    text = provider_page.content.decode()
    assert "<bdi>Test Client</bdi>" in text
    assert "Demonstration identity provider: no passwords" in text


@pytest.mark.parametrize(
    ("client_id", "shown"),
    [
        ("https://client.example/metadata.json", "client.example"),
        ("https://bank.example@client.example/", "client.example"),
        ("https://[client.example/", ""),
        ("nobody", ""),
        ("nobo\0dy", ""),
    ],
)
def test_an_application_that_is_not_known_yet_is_shown_by_its_host(db, client_id, shown):
    assert asking_client(flow.authorize_url(client_id)) == shown


def test_a_sign_in_for_a_page_of_the_server_names_no_application(client, db):
    text = client.get("/connections", follow=True).content.decode()
    assert "Choose a user to continue." in text


def test_a_first_sign_in_from_two_tabs_at_once_succeeds_in_both():
    """The second tab finds the account as soon as the first one has created it."""
    found = []

    def second_tab(instance, created, **kwargs):
        if created:
            found.append(provider.find_or_create(instance.username))

    post_save.connect(second_tab, sender=User)
    try:
        user = provider.find_or_create("alice")
    finally:
        post_save.disconnect(second_tab, sender=User)
    assert found == [user]


def test_an_entered_name_is_a_user_too(client, provider_page):
    answer = choose(client, provider_page, name="Zoe")
    client.get(answer["Location"])
    assert User.objects.get().username == "Zoe"


@pytest.mark.parametrize(
    ("typed", "username"),
    [
        ("J\u00f6rg", "J\u00f6rg"),
        ("\u00c4\u00d6", "\u00c4\u00d6"),
        ("Jo\u0308rg", "J\u00f6rg"),  # decomposed, as some keyboards send it
        ("\u041c\u0430\u0440\u0438\u044f.2", "\u041c\u0430\u0440\u0438\u044f.2"),
        ("\u03a3\u03bf\u03c6\u03af\u03b1", "\u03a3\u03bf\u03c6\u03af\u03b1"),
        ("\u4f50\u3005\u6728\u3055\u304f\u3089", "\u4f50\u3005\u6728\u3055\u304f\u3089"),
        ("\uff41\uff4c\uff49\uff43\uff45", "alice"),  # wide letters
    ],
)
def test_a_name_may_be_of_any_one_alphabet(client, provider_page, typed, username):
    done = client.get(choose(client, provider_page, name=typed)["Location"])
    assert User.objects.get().username == username
    assert f"<bdi>{username}</bdi>" in client.get(done["Location"]).content.decode()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "a b",
            "J\u00f6rg M\u00fcller",
            "<b>",
            "../x",
            "a\0b",
            "x" * 51,
            "\u202ealice",
            "a\u200bb",
        ),
        "\u0430lice",  # a Cyrillic letter among Latin ones
        "\u0251lice",  # a phonetic letter
        "\u0441\u043e\u0441\u043e",  # Cyrillic that looks like Latin
        "alice\u0660",  # an Arabic digit
        "\u3164",  # a letter that cannot be seen
        "\uffa0\u115f",
        "\ud55c\u3164",
        "\ufdf2" * 50,  # too long, once it is normalised
    ],
)
def test_an_invalid_name_is_asked_for_again(client, provider_page, name):
    answer = choose(client, provider_page, name=name)
    assert answer.status_code == 400
    assert b'id="id_name_error"' in answer.content
    described = re.search(r'aria-describedby="([^"]*)"', answer.content.decode())
    assert described
    assert all(f'id="{one}"' in answer.content.decode() for one in described[1].split())
    assert {"id_name_error", "id_name_helptext"} <= set(described[1].split())
    assert not User.objects.exists()


def test_the_session_key_changes_at_sign_in(client, provider_page):
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = before = session.session_key
    client.get(choose(client, provider_page, person="alice")["Location"])
    assert client.session.session_key != before
    assert not session.exists(before)


@pytest.mark.parametrize(
    "query", ["", "?state=unknown", "?code=x", "?state=a&code=b", "?state=%00", "?state="]
)
def test_an_answer_that_was_not_asked_for_is_a_clear_400(client, query):
    answer = client.get(CALLBACK + query)
    assert answer.status_code == 400
    assert "not started in this browser" in answer.content.decode()
    assert answer["X-Frame-Options"] == "DENY"


def test_the_page_needs_a_sign_in_of_this_browser(client, provider_page):
    stranger = Http()
    assert stranger.get(flow.form_action(provider_page)).status_code == 400
    assert client.get("/fakeupstreamauth/authorize?state=unknown").status_code == 400


def test_opened_by_hand_it_starts_a_sign_in(client):
    page = client.get("/fakeupstreamauth/authorize", follow=True)
    assert page.status_code == 200
    assert client.get(choose(client, page, person="bob")["Location"])["Location"] == "/"


def test_a_next_url_cannot_be_smuggled_in(client):
    page = client.get("/fakeupstreamauth/authorize?next=https://evil.example/", follow=True)
    answer = client.get(choose(client, page, person="bob")["Location"] + "&next=https://evil.example/")
    assert answer["Location"] == "/"


def test_a_code_works_in_its_own_browser_only(client, provider_page):
    answer = choose(client, provider_page, person="alice")
    assert Http().get(answer["Location"]).status_code == 400


def test_a_code_of_another_sign_in_is_refused(client, provider_page):
    foreign = provider.code_for("mallory", "another state")
    answer = client.get(f"{CALLBACK}?state={state_of(provider_page)}&code={foreign}")
    assert answer.status_code == 400
    assert not User.objects.exists()


def test_a_code_can_be_used_once(client, provider_page):
    location = choose(client, provider_page, person="alice")["Location"]
    assert client.get(location).status_code == 302
    assert client.get(location).status_code == 400


def test_a_code_can_be_used_once_even_by_a_browser_that_keeps_the_cookie(client, provider_page):
    location = choose(client, provider_page, person="alice")["Location"]
    copies = [Http() for _ in range(5)]
    for copy in copies:
        copy.cookies.load(client.cookies.output(header="").replace("\r\n", "; "))
    statuses = [copy.get(location).status_code for copy in copies]
    assert statuses == [302, 400, 400, 400, 400]
    assert "already complete" in copies[1].get(location).content.decode()


def test_a_second_code_of_the_same_sign_in_works_after_a_refusal(client, provider_page):
    User.objects.create_user("root", is_staff=True)
    assert client.get(choose(client, provider_page, name="root")["Location"]).status_code == 403
    assert client.get(choose(client, provider_page, name="alice")["Location"]).status_code == 302


def test_the_callback_is_rate_limited(client, settings):
    settings.OAUTH_RATE_LIMITS = {"sign_in": "2/minute"}
    settings.OAUTH_TRUSTED_PROXIES = 1
    client.defaults["HTTP_X_FORWARDED_FOR"] = f"2001:db8:{secrets.randbelow(65536):x}::1"
    assert [client.get(CALLBACK).status_code for _ in range(3)] == [400, 400, 429]


def test_a_code_expires(client, provider_page, monkeypatch):
    location = choose(client, provider_page, person="alice")["Location"]
    monkeypatch.setattr(provider, "CODE_SECONDS", -1)
    assert client.get(location).status_code == 400


def test_a_forged_code_is_refused():
    forged = signing.dumps({"username": "alice", "state": "s"}, key="other", salt=provider.SALT)
    assert provider.username_of(forged, "s") is None


def test_nobody_can_sign_in_here_if_another_provider_is_set(client, provider_page, settings):
    chosen = choose(client, provider_page, person="alice")
    settings.OAUTH_SIGN_IN = "tests.fakeupstream.test_views.other_sign_in"
    for path in ("/fakeupstreamauth/authorize", flow.form_action(provider_page), chosen["Location"]):
        assert client.get(path).status_code == 404
    assert choose(client, provider_page, person="alice").status_code == 404
    assert not User.objects.exists()
    assert "_auth_user_id" not in client.session


def other_sign_in(request, next_url):
    return HttpResponseRedirect("https://login.example/")


def test_a_form_sent_from_another_site_signs_nobody_in(client, provider_page):
    """Browsers send no SameSite=Lax cookie with it, and the state is useless without its cookie."""
    forged = Http(enforce_csrf_checks=True)
    assert choose(forged, provider_page, person="mallory").status_code == 400
    own = Http(enforce_csrf_checks=True)
    own.cookies = client.cookies
    assert choose(own, provider_page, person="alice").status_code == 302


@pytest.mark.parametrize("rights", [{"is_staff": True}, {"is_superuser": True}, {"password": "x"}])
def test_nobody_can_sign_in_by_name_to_an_account_with_permissions_or_a_password(
    client, provider_page, rights
):
    password = rights.pop("password", None)
    User.objects.create_user("root", password=password, **rights)
    answer = client.get(choose(client, provider_page, name="root")["Location"])
    assert answer.status_code == 403
    assert "belongs to an account with a password or permissions" in answer.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("name", ["ADMIN", "Admin", "\u00e0dmin", "adm\u0131n", "ADM\u0130N", "\uff41dmin"])
def test_nobody_can_sign_in_by_a_name_that_looks_like_that_of_such_an_account(client, provider_page, name):
    User.objects.create_superuser("admin", password="x")
    answer = client.get(choose(client, provider_page, name=name)["Location"])
    assert answer.status_code == 403
    assert User.objects.count() == 1


def test_names_are_compared_for_new_accounts_only(monkeypatch):
    compared = []

    def protected_names():
        compared.append(1)
        return ()

    monkeypatch.setattr(provider, "_protected_names", protected_names)
    for _ in range(3):
        assert provider.find_or_create("carla").username == "carla"
    assert compared == [1]


def test_names_that_look_like_those_of_others_are_allowed(client, provider_page):
    provider.find_or_create("alice")
    assert provider.find_or_create("Alice").username == "Alice"


@pytest.mark.parametrize("rights", [{"is_staff": True}, {"is_active": False}])
def test_a_refused_user_can_go_back_and_sign_in_as_another(client, provider_page, rights):
    User.objects.create_user("alice", **rights)
    refused = client.get(choose(client, provider_page, person="alice")["Location"]).content.decode()
    (back,) = re.findall(r'<a href="(/fakeupstreamauth/authorize[^"]*)"', refused)
    page = client.get(unescape(back))
    assert "Who are you?" in page.content.decode()
    done = client.get(choose(client, page, person="bob")["Location"])
    assert done["Location"].startswith("/authorize?")


def test_a_disabled_user_stays_out(client, provider_page):
    User.objects.create_user("alice", is_active=False)
    answer = client.get(choose(client, provider_page, person="alice")["Location"])
    assert answer.status_code == 403
    assert "_auth_user_id" not in client.session


def test_many_tabs_do_not_grow_the_cookies(client):
    pages = [client.get("/fakeupstreamauth/authorize", follow=True) for _ in range(30)]
    kept = [cookie for cookie in sign_in_cookies(client) if cookie.value]
    assert len(kept) == sign_in.MAX_SIGN_INS
    assert sum(len(cookie.key) + len(cookie.value) for cookie in kept) < 1500
    assert client.get(flow.form_action(pages[-1])).status_code == 200


def test_the_oldest_sign_in_is_dropped_first(client, monkeypatch):
    now = itertools.count(1_800_000_000)
    monkeypatch.setattr("fakeupstream.sign_in.time.time", lambda: next(now))
    pages = [client.get("/fakeupstreamauth/authorize", follow=True) for _ in range(30)]
    assert client.get(flow.form_action(pages[-sign_in.MAX_SIGN_INS])).status_code == 200
    assert client.get(flow.form_action(pages[-sign_in.MAX_SIGN_INS - 1])).status_code == 400


def test_an_abandoned_sign_in_leaves_nothing_behind(client):
    client_id = flow.register(client).json()["client_id"]
    for path in (flow.authorize_url(client_id), "/connections", "/fakeupstreamauth/authorize"):
        assert client.get(path, follow=True).status_code == 200
    assert not Session.objects.exists()
    assert not User.objects.exists()


def test_the_cookie_is_for_the_server_only(client, settings):
    settings.SESSION_COOKIE_SECURE = True
    client.get("/fakeupstreamauth/authorize")
    (cookie,) = sign_in_cookies(client)
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")


def test_the_urls_do_not_reveal_the_cookie(client, provider_page):
    location = choose(client, provider_page, person="alice")["Location"]
    thief = Http()
    (cookie,) = sign_in_cookies(client)
    thief.cookies[cookie.key] = "1." + signing.loads(state_of(provider_page), salt=sign_in.SALT)["nonce"]
    assert thief.get(location).status_code == 400
    assert client.get(location).status_code == 302


def test_a_sign_in_page_expires(client, provider_page, monkeypatch):
    monkeypatch.setattr(sign_in, "SECONDS", -1)
    assert client.get(flow.form_action(provider_page)).status_code == 400


def test_a_long_url_survives_the_way_there_and_back(client):
    client_id = flow.register(client).json()["client_id"]
    state = secrets.token_urlsafe(2900)
    url = flow.authorize_url(client_id, state=state, more=secrets.token_urlsafe(5400))
    assert 11_000 < len(url) <= MAX_URL_LENGTH
    page = client.get(client.get(url)["Location"])
    answer = choose(client, page, person="alice")
    assert len(answer["Location"]) < 16_000
    assert client.get(answer["Location"])["Location"] == url


def test_two_tabs_each_return_to_their_own_request(client):
    client_id = flow.register(client).json()["client_id"]
    first, second = (flow.authorize_url(client_id, state=state) for state in ("one", "two"))
    pages = [client.get(client.get(url)["Location"]) for url in (first, second)]
    for page, url in zip(pages, (first, second), strict=True):
        answer = client.get(choose(client, page, person="alice")["Location"])
        assert answer["Location"] == url


@pytest.mark.parametrize("tabs", [2, 3, 5])
def test_sign_ins_in_several_tabs_all_return(client, tabs):
    """None of the requests has the cookie set by the response to another one."""
    client_id = flow.register(client).json()["client_id"]
    urls = [flow.authorize_url(client_id, state=f"tab-{number}") for number in range(tabs)]
    begun = [Http().get(url) for url in urls]
    for answer in begun:
        client.cookies.update(answer.cookies)
    pages = [client.get(answer["Location"]) for answer in begun]
    for page, url in zip(pages, urls, strict=True):
        assert client.get(choose(client, page, person="alice")["Location"])["Location"] == url


@pytest.mark.parametrize("others", [("alice",), ("alice", "alice")])
def test_after_signing_in_again_in_another_tab_allow_still_works_in_the_first(others):
    http = Http(enforce_csrf_checks=True)
    client_id = flow.register(http).json()["client_id"]
    urls = [flow.authorize_url(client_id, state=f"tab-{number}") for number in range(1 + len(others))]
    asked = [http.get(http.get(url)["Location"]) for url in urls]  # all tabs ask who it is
    consents = []
    for page, name in zip(asked, ("alice", *others), strict=True):
        done = http.get(choose(http, page, person=name)["Location"])
        consents.append(http.get(done["Location"]))
    for page in consents:
        decision = {"decision": "allow", "csrfmiddlewaretoken": csrf_token(page)}
        assert "code" in flow.parameters(http.post(flow.form_action(page), decision))


def test_a_consent_that_was_shown_to_somebody_else_cannot_be_given():
    http = Http(enforce_csrf_checks=True)
    client_id = flow.register(http).json()["client_id"]
    page = sign_in_here(http, flow.authorize_url(client_id), "alice")
    sign_in_here(http, "/fakeupstreamauth/authorize", "bob")
    decision = {"decision": "allow", "csrfmiddlewaretoken": csrf_token(page)}
    answer = http.post(flow.form_action(page), decision)
    assert answer.status_code == 403
    assert f'href="{escape(flow.form_action(page))}"' in answer.content.decode(), "the way to go on"


def csrf_token(page):
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode()))
    return token


def test_signing_in_as_someone_else_ends_the_other_session(client):
    sign_in_here(client, flow.authorize_url(flow.register(client).json()["client_id"]), "alice")
    key = client.session.session_key
    page = client.get("/fakeupstreamauth/authorize", follow=True)
    client.get(choose(client, page, person="bob")["Location"])
    assert client.session.session_key != key
    assert client.get("/").wsgi_request.user.username == "bob"


def test_after_switching_accounts_the_user_is_somebody_else(client):
    url = flow.authorize_url(flow.register(client).json()["client_id"])
    sign_in_here(client, url, "alice")
    answer = client.post(url, {"decision": "switch"})
    chosen = choose(client, client.get(answer["Location"]), name="bob")
    assert client.get(chosen["Location"])["Location"] == url
    assert "bob" in client.get(url).content.decode()
