"""The way of a client and a person through the authorization server, step by step, for tests."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.contrib.auth import get_user_model
from django.test import Client as Http
from django.test import RequestFactory

from oauth_app.conf import conf

RESOURCE = "http://localhost:3232/mcp"
SSE_RESOURCE = "http://localhost:3232/sse"
ISSUER = "http://localhost:3232"
CALLBACK = "http://127.0.0.1:6274/oauth/callback"
VERIFIER = "correct-horse-battery-staple-correct-horse-battery"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def register(http: Http, **metadata: Any) -> Any:
    document = {
        "client_name": "Test Client",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    } | metadata
    return http.post("/register", document, content_type="application/json")


def authorize_url(client_id: str, /, **parameters: Any) -> str:
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "state": "xyz",
        "resource": RESOURCE,
    } | parameters
    return "/authorize?" + urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)


def form_action(page: Any) -> str:
    match = re.search(r'<form method="post" action="([^"]*)"', page.content.decode())
    assert match, page.content.decode()
    return unescape(match.group(1))


def asks_to_sign_in(answer: Any) -> bool:
    """Whether a response sends the person away to sign in, wherever that is."""
    page = urlsplit(conf.sign_in(RequestFactory().get("/"), "/")["Location"]).path
    return answer.status_code == 302 and urlsplit(answer["Location"]).path == page


def sign_in(http: Http, url: str, name: str = "alice") -> Any:
    """The page that a person wanted who is asked to sign in, and does."""
    assert asks_to_sign_in(http.get(url))
    user, _ = get_user_model().objects.get_or_create(username=name)
    http.force_login(user)
    return http.get(url)


def allow(http: Http, page: Any) -> dict[str, str]:
    """Press Allow; the parameters with which the client's callback is reached."""
    return consent(http, form_action(page))


def consent(http: Http, url: str) -> dict[str, str]:
    """What `allow` does, without the page."""
    answer = http.post(url, {"decision": "allow"})
    assert answer.status_code == 302, answer.content.decode()
    return parameters(answer)


def parameters(answer: Any) -> dict[str, str]:
    url = urlsplit(answer["Location"])
    return {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}


def exchange(http: Http, client_id: str, code: str, **parameters: Any) -> Any:
    body = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
        "resource": RESOURCE,
    } | parameters
    return http.post("/token", {k: v for k, v in body.items() if v is not None})


def refresh(http: Http, client_id: str, token: str, **parameters: Any) -> Any:
    return http.post(
        "/token", {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token} | parameters
    )


@dataclass
class Connected:
    """A client that has been given tokens."""

    http: Http
    client_id: str
    code: str
    tokens: dict[str, Any]

    @property
    def access(self) -> str:
        return self.tokens["access_token"]

    @property
    def refresh(self) -> str:
        return self.tokens["refresh_token"]


def connect(
    name: str = "alice", client_id: str | None = None, http: Http | None = None, **parameters: Any
) -> Connected:
    """Register (unless there is a client), sign in, consent, and redeem the code, without the pages."""
    http = http or Http()
    client_id = client_id or register(http).json()["client_id"]
    user, _ = get_user_model().objects.get_or_create(username=name)
    http.force_login(user)
    code = consent(http, authorize_url(client_id, **parameters))["code"]
    answer = exchange(http, client_id, code)
    assert answer.status_code == 200, answer.content
    return Connected(http, client_id, code, answer.json())
