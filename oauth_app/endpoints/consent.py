"""What the consent page shows: who asks, for what, and where the user returns to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from oauth_app import redirects
from oauth_app.clients import cimd
from oauth_app.conf import conf
from oauth_app.display_names import sanitized
from oauth_app.models import Client, live_tokens
from oauth_app.scopes import scopes as all_scopes


def page(client: Client, redirect_uri: str, scopes: list[str], request: HttpRequest) -> dict[str, Any]:
    """The context of the consent page for a valid authorization request."""
    now = timezone.now()
    described = all_scopes()
    allowed = _allowed_scopes(request.user, client)
    is_own_page = redirects.is_of_origin(redirect_uri, (conf.issuer, conf.resource_url))
    return {
        "client_name": sanitized(client.display_name),
        "client_host": cimd.published_at(client.client_id),
        "named_itself": client.registration_source != client.RegistrationSource.MANUAL,
        "redirect_host": redirects.shown_host(redirect_uri),
        "is_own_page": is_own_page,
        "on_this_computer": redirects.is_on_this_computer(redirect_uri) and not is_own_page,
        "resource": conf.resource_url,
        "lasts": timesince(now, now=now + timedelta(seconds=conf.refresh_seconds)),
        "new_scopes": [(scope, described[scope]) for scope in scopes if scope not in allowed],
        "allowed_scopes": [(scope, described[scope]) for scope in scopes if scope in allowed],
        "further_scopes": [(scope, described[scope]) for scope in further(scopes)],
        "action": request.get_full_path(),
    }


def further(scopes: list[str]) -> list[str]:
    """The scopes that a user may grant beyond those that the client requests.

    Many clients never request more when a tool needs it. RFC 6749 §3.3 allows the user to change the
    scope; the token response says what was granted.
    """
    return [scope for scope in conf.further_scopes if scope not in scopes]


def asking_client(url: str) -> str:
    """The name of the client whose authorization request this URL is, for a sign-in page; empty otherwise.

    The name of a client known by a URL is its host, as long as its document has not been fetched.
    """
    path, _, query = url.partition("?")
    if path != reverse("oauth_app:authorize"):
        return ""
    client_id = dict(parse_qsl(query)).get("client_id", "")
    client = None if "\0" in client_id else Client.objects.filter(client_id=client_id).first()
    if client is not None:
        return sanitized(client.display_name)
    return cimd.published_at(client_id)


def _allowed_scopes(user: AbstractBaseUser | AnonymousUser, client: Client) -> set[str]:
    """The scopes that this user has allowed the client already."""
    return {
        scope
        for tokens in live_tokens(user=user.pk, application=client)
        for granted in tokens.values_list("scope", flat=True)
        for scope in granted.split()
    }
