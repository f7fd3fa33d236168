"""The paths of the authorization server: without a trailing slash, as clients build them."""

from django.urls import path, re_path

from oauth_app import connections, metadata
from oauth_app.api import View, api_view
from oauth_app.authorize import AuthorizeView
from oauth_app.cors import allow_all_origins
from oauth_app.limits import limited
from oauth_app.registration import ManageView, RegisterView
from oauth_app.tokens import IntrospectView, RevokeView, TokenView

app_name = "oauth_app"


def _for_programs(limit: str, view: View) -> View:
    """The view, as clients call it: at a limited rate, from pages of any origin, without a cookie."""
    return api_view(allow_all_origins(limited(limit, view)))


urlpatterns = [
    # RFC 8414 §3.1, and the path-inserted form that clients of a resource with a path try first
    re_path(
        r"^\.well-known/oauth-authorization-server(?:/mcp|/sse)?/?$",
        metadata.authorization_server,
        name="authorization-server",
    ),
    path("authorize", limited("authorize", AuthorizeView.as_view()), name="authorize"),
    path("connections", limited("authorize", connections.page), name="connections"),
    path("register", _for_programs("register", RegisterView.as_view()), name="register"),
    path("register/<path:client_id>", _for_programs("token", ManageView.as_view()), name="manage"),
    path("token", _for_programs("token", TokenView.as_view()), name="token"),
    path("revoke", _for_programs("token", RevokeView.as_view()), name="revoke"),
    # Neither limited nor for pages: a resource server asks for all of its users.
    path("introspect", api_view(IntrospectView.as_view()), name="introspect"),
]
