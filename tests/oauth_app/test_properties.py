"""Generated requests: no 5xx, and no redirect to an unregistered address.

An exception in a view is raised by the test client, and so fails the test.
"""

from __future__ import annotations

import json
import os
import string
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client as Http
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oauth_app import redirects
from oauth_app.conf import conf
from oauth_app.models import Client
from tests.oauth_app import flow

pytestmark = pytest.mark.slow

IN_CI = os.environ.get("CI") == "true"
bounded = settings(
    max_examples=80 if IN_CI else 20,
    deadline=None,
    database=None,
    derandomize=IN_CI,  # a change fails by its own fault; elsewhere new cases are tried
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Parts that mean something to some parser, put together in any order.
HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    "evil.example",
    "localhost.evil.example",
    "127.1",
    "0x7f.1",
    "[::",
    "",
]
parts = st.sampled_from(
    [
        "http", "https", "cursor", "javascript", "data", "HTTP", ":", "//", "///", "\\", "/", "..", "@", "#",
        "?", "&", "%00", "%2e", "%", ";", "[", "]", "*", " ", "\t", "\n", "\0", "\u202e", "é", "ﬃ", "code=1",
        "state=1", "iss=x", ":0", ":80", ":99999", ":6274", "/oauth/callback", *HOSTS,
    ]
)  # fmt: skip
uris = st.one_of(
    st.text(max_size=60),
    st.lists(parts, max_size=10).map("".join),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "cursor", "HTTPS", "ftp"]),
        st.sampled_from([*HOSTS, "u:p@localhost"]),
        st.sampled_from(["", ":80", ":65536", ":x"]),
        st.lists(parts, max_size=4).map("".join),
    ),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    uris,
    st.just("authorization_code"),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
documents = st.one_of(
    values,
    st.fixed_dictionaries(
        {"redirect_uris": st.lists(uris, max_size=4) | values},
        optional=dict.fromkeys(
            [
                "client_name", "grant_types", "response_types", "scope", "token_endpoint_auth_method",
                "application_type", "client_uri", "contacts", "jwks", "software_statement", "client_id",
            ],
            values,
        ),
    ),
)  # fmt: skip


@bounded
@given(uris)
def test_every_uri_that_can_be_registered_is_safe(uri: str) -> None:
    if redirects.fault(uri, conf.custom_schemes) is not None:
        return
    url = urlsplit(uri)
    assert url.scheme in {"https", "http", *conf.custom_schemes}
    assert url.scheme != "http" or url.hostname in redirects.LOOPBACK_HOSTS
    assert url.username is None
    assert "#" not in uri
    assert uri.isascii()
    assert uri.isprintable()
    redirects.shown_host(uri)


@bounded
@given(uris, uris)
@example("http://localhost", "http://localhost:[::1]")
def test_only_the_port_of_this_computer_may_differ(asked: str, registered: str) -> None:
    if not redirects.matches(asked, [registered]) or asked == registered:
        return
    one, other = urlsplit(asked), urlsplit(registered)
    assert one.scheme == other.scheme == "http"
    assert one.hostname == other.hostname
    assert one.hostname in redirects.LOOPBACK_HOSTS
    assert (one.path, one.query) == (other.path, other.query)


@pytest.mark.django_db
@bounded
@given(documents)
def test_a_registration_is_accepted_or_refused(client: Http, document: Any) -> None:
    answer = client.post("/register", json.dumps(document), content_type="application/json")
    body = answer.json()
    if answer.status_code != 201:
        assert answer.status_code == 400
        assert body["error"] in ("invalid_client_metadata", "invalid_redirect_uri")
        return
    assert None not in body.values()
    for uri in body["redirect_uris"]:
        assert redirects.fault(uri, conf.custom_schemes) is None
    assert body["grant_types"] == ["authorization_code", "refresh_token"]
    page = client.get(flow.authorize_url(body["client_id"], redirect_uri=body["redirect_uris"][0]))
    assert flow.asks_to_sign_in(page)


@pytest.fixture
def alice_at(db: None) -> tuple[Http, str]:
    http = Http()
    client_id = flow.register(http).json()["client_id"]
    http.force_login(User.objects.create_user("alice"))
    return http, client_id


segments = st.text(
    st.sampled_from(string.ascii_letters + string.digits + "-._~%/?&=+:@!$'()*,;[]"), max_size=30
)
callbacks = st.builds(
    "{}{}{}".format,
    st.sampled_from(
        ["https://a.example", "HTTPS://A.Example:8443", "http://localhost:1", "http://[::1]:1", "cursor://x"]
    ),
    st.sampled_from(["", "/", "/cb", "/cb?", "?", "/cb?a=%20b&c=+", "/%7E"]),
    segments,
)


@pytest.mark.django_db
@bounded
@given(callbacks)
@example("https://a.example/cb?a=%20b")
@example("https://a.example&")
@example("https://a.example/cb??")
def test_what_registers_is_sent_back_to_as_it_was_registered(alice_at: tuple[Http, str], uri: str) -> None:
    http, _ = alice_at
    answer = flow.register(http, redirect_uris=[uri])
    if answer.status_code == 400:
        return
    client_id = answer.json()["client_id"]
    url = flow.authorize_url(client_id, redirect_uri=uri)
    for decision, parameter in (("allow", "code"), ("deny", "error")):
        back = http.post(url, {"decision": decision})
        assert back.status_code == 302, back.content
        assert back["Location"].startswith(uri)
        value = flow.parameters(back)[parameter]
        if parameter == "code":  # so that the denial is sent back as well
            assert flow.exchange(http, client_id, value, redirect_uri=uri).status_code == 200


PARAMETERS = [
    "response_type", "redirect_uri", "code_challenge", "code_challenge_method", "state", "resource", "scope",
    "prompt", "nonce", "response_mode", "request", "request_uri", "approval_prompt", "max_age", "claims",
]  # fmt: skip
queries = st.dictionaries(
    st.sampled_from(PARAMETERS), st.one_of(uris, st.text(max_size=20), st.lists(uris, max_size=3)), max_size=4
)


@pytest.mark.django_db
@bounded
@given(queries, st.sampled_from([None, "allow", "deny", "x"]))
def test_an_authorization_request_ends_at_the_client_or_on_a_page(
    alice_at: tuple[Http, str], query: dict[str, Any], decision: str | None
) -> None:
    http, client_id = alice_at
    url = flow.authorize_url(client_id, **{name: _encodable(value) for name, value in query.items()})
    answer = http.get(url) if decision is None else http.post(url, {"decision": decision})
    assert answer.status_code in (200, 302, 400)
    if answer.status_code == 302:
        back = urlsplit(answer["Location"])
        assert (back.scheme, back.hostname, back.path) == ("http", "127.0.0.1", "/oauth/callback")
        assert not back.fragment
        assert not back.username
        assert f"iss={quote(flow.ISSUER, safe='')}" in back.query


@pytest.mark.django_db
@bounded
@given(st.text(max_size=200).map(lambda text: _encodable(text)))
def test_any_query_at_all_is_answered(alice_at: tuple[Http, str], query: str) -> None:
    http, _ = alice_at
    assert http.get("/authorize", QUERY_STRING=quote(query, safe="=&%+")).status_code == 400


bodies = st.dictionaries(
    st.sampled_from(
        [
            "grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri", "resource",
            "refresh_token", "scope", "token", "token_type_hint", "client_assertion", "username", "password",
        ]
    ),
    st.one_of(
        st.sampled_from(["authorization_code", "refresh_token", "client_credentials", "", "known"]),
        uris,
        st.text(max_size=30),
        st.lists(st.text(max_size=10), min_size=2, max_size=2),
    ),
    max_size=7,
)  # fmt: skip
headers = st.one_of(
    st.none(), st.text(string.printable, max_size=40), st.text(max_size=30).map("Basic {}".format)
)


@pytest.mark.django_db
@bounded
@given(st.sampled_from(["/token", "/revoke", "/introspect"]), bodies, headers)
def test_a_token_request_gets_nothing_and_an_error_of_the_protocol(
    alice_at: tuple[Http, str], path: str, body: dict[str, Any], header: str | None
) -> None:
    http, client_id = alice_at
    sent = {name: _encodable(client_id if value == "known" else value) for name, value in body.items()}
    extra = {} if header is None else {"HTTP_AUTHORIZATION": _encodable(header)}
    answer = http.post(path, sent, **extra)
    if path == "/revoke" and answer.status_code == 200:
        return  # of a token that nobody knows (RFC 7009 §2.2)
    assert answer.status_code in (400, 401)
    assert "error" in answer.json()


@pytest.mark.django_db
@bounded
@given(
    st.binary(max_size=300),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "x/y", ""]),
)
def test_any_body_at_all_is_answered(client: Http, body: bytes, content_type: str) -> None:
    for path in ("/register", "/token", "/revoke", "/introspect"):
        assert client.post(path, body, content_type=content_type or "a").status_code in (400, 401)
    assert not Client.objects.exists()


def _encodable(value: Any) -> Any:
    """The test client cannot encode lone surrogates; no HTTP client can send them."""
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value.encode("utf-8", "replace").decode()
