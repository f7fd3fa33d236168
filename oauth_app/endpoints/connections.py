"""/connections: the applications that have access to an account, and how to revoke it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from oauth_app import redirects
from oauth_app.clients import cimd
from oauth_app.conf import conf
from oauth_app.display_names import sanitized
from oauth_app.models import Client, end_access, live_tokens
from oauth_app.scopes import scopes
from oauth_app.signals import audit

log = logging.getLogger("oauth_app")


@dataclass
class Connection:
    """An application that has access to the account of a user."""

    client: Client
    last_renewed: datetime
    ends: datetime
    """When it ends, unless it is renewed before: then its last token expires."""
    scopes: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return sanitized(self.client.display_name)

    @property
    def is_published(self) -> bool:
        """Whether the application is identified by the URL where it is published."""
        return bool(cimd.published_at(self.client.client_id))

    @property
    def hosts(self) -> list[str]:
        """Where it is published, or else its redirect hosts: to distinguish applications of one name."""
        if published := cimd.published_at(self.client.client_id):
            return [published]
        return sorted({redirects.shown_host(uri) for uri in self.client.redirect_uris.split()})

    @property
    def permissions(self) -> list[str]:
        """What its scopes allow, in the order of the consent page."""
        return [text for scope, text in scopes().items() if scope in self.scopes]


def connections(user: AbstractBaseUser) -> list[Connection]:
    """The applications that have access to this account, the most recent first."""
    found: dict[int, Connection] = {}
    for tokens in live_tokens(user=user):
        for token in tokens.select_related("application"):
            client = token.application
            connection = found.setdefault(client.pk, Connection(client, token.created, token.expires))
            connection.last_renewed = max(connection.last_renewed, token.created)
            connection.ends = max(connection.ends, token.expires)
            connection.scopes.update(token.scope.split())
    return sorted(found.values(), key=lambda connection: connection.last_renewed, reverse=True)


@never_cache
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The list, with buttons to remove access, which ask first, and to sign out."""
    here = reverse("oauth_app:connections")
    if not request.user.is_authenticated:
        return conf.sign_in(request, here)
    found = connections(request.user)
    if request.method == "GET":
        asked = _of_client(found, request.GET.get("remove", ""))
        if asked is not None:
            return render(request, "oauth_app/remove_page.html", {"connection": asked})
        return render(request, "oauth_app/connections.html", {"connections": found})
    if request.POST.get("decision") == "sign-out":
        logout(request)
        return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL or "/"))
    client = request.POST.get("client", "")
    if client.isascii() and client.isdecimal() and len(client) < 19:  # a primary key has at most 19 digits
        end_access(user=request.user, application=int(client))
    if removed := _of_client(found, client):
        audit("access revoked", user=request.user, client=removed.client.client_id, by="user")
        log.info("access revoked by the user", extra={"user": request.user.pk, "client_pk": client})
        done = f"Access removed. {removed.name} was signed out everywhere."
        messages.success(request, done, fail_silently=True)  # a project may do without messages
    return HttpResponseRedirect(here)


def _of_client(found: list[Connection], key: str) -> Connection | None:
    """The connection of the client with this primary key, as the page sent it."""
    return next((connection for connection in found if str(connection.client.pk) == key), None)
