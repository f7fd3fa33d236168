"""The paths of the authorization server: without a trailing slash, as clients build them."""

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from oauth_app import connections, metadata
from oauth_app.authorize import AuthorizeView
from oauth_app.limits import limited
from oauth_app.registration import ManageView, RegisterView
from oauth_app.tokens import IntrospectView, RevokeView, TokenView

app_name = "oauth_app"

urlpatterns = [
    # RFC 8414 §3.1, and the path-inserted form that clients of a resource with a path try first
    re_path(
        r"^\.well-known/oauth-authorization-server(?:/mcp|/sse)?/?$",
        metadata.authorization_server,
        name="authorization-server",
    ),
    path("authorize", limited("authorize", AuthorizeView.as_view()), name="authorize"),
    path("connections", limited("authorize", connections.page), name="connections"),
    # Called by programs that carry no cookie
    path("register", csrf_exempt(limited("register", RegisterView.as_view())), name="register"),
    path("register/<path:client_id>", csrf_exempt(limited("token", ManageView.as_view())), name="manage"),
    path("token", csrf_exempt(limited("token", TokenView.as_view())), name="token"),
    path("revoke", csrf_exempt(limited("token", RevokeView.as_view())), name="revoke"),
    # Not limited: a resource server asks for all of its users
    path("introspect", csrf_exempt(IntrospectView.as_view()), name="introspect"),
]
