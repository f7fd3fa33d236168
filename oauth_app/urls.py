"""The paths of the authorization server: without a trailing slash, as clients build them."""

import re
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path

from oauth_app.conf import conf
from oauth_app.endpoints import connections, metadata
from oauth_app.endpoints.authorize import AuthorizeView
from oauth_app.endpoints.registration import ManageView, RegisterView
from oauth_app.endpoints.tokens import IntrospectView, RevokeView, TokenView
from oauth_app.http.api import View, api_view
from oauth_app.http.cors import allow_all_origins
from oauth_app.http.rate_limits import rate_limited

app_name = "oauth_app"

_RESOURCE_PATHS = "|".join(re.escape(urlsplit(url).path) for url in conf.resource_urls)


def _for_users(limit: str, view: View) -> View:
    """The view, at a limited rate. It lets users sign in itself, whether or not the project requires that."""
    return login_not_required(rate_limited(limit, view))


def _for_programs(limit: str, view: View) -> View:
    """The view, as clients call it: at a limited rate, from pages of any origin, without a cookie."""
    return login_not_required(api_view(allow_all_origins(rate_limited(limit, view))))


urlpatterns = [
    # At the root (RFC 8414 §3.1), and with the path of a resource inserted: clients of 2025-03-26 look there.
    re_path(
        rf"^\.well-known/oauth-authorization-server(?:{_RESOURCE_PATHS})?/?$",
        login_not_required(metadata.authorization_server),
        name="authorization-server",
    ),
    path("authorize", _for_users("authorize", AuthorizeView.as_view()), name="authorize"),
    path("connections", _for_users("connections", connections.page), name="connections"),
    path("register", _for_programs("register", RegisterView.as_view()), name="register"),
    path("register/<path:client_id>", _for_programs("token", ManageView.as_view()), name="manage"),
    path("token", _for_programs("token", TokenView.as_view()), name="token"),
    path("revoke", _for_programs("token", RevokeView.as_view()), name="revoke"),
    # Neither limited nor for pages: a resource server asks for all of its users.
    path("introspect", login_not_required(api_view(IntrospectView.as_view())), name="introspect"),
]
