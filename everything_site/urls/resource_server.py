"""The URLs of the MCP server in separate mode.

There is no sign-in and no token endpoint. The admin and the connected applications are at the authorization
server, to which their URLs redirect.
"""

from django.urls import include, path, re_path

from everything_site.pages import views
from mcp_app.urls import other_authorization_server

handler400 = "everything_site.pages.views.bad_request"
handler404 = "everything_site.pages.views.not_found"
handler500 = "everything_site.middleware.database_outage.server_error"

urlpatterns = [
    path("", include("everything_site.urls.pages")),
    path("connections", views.at_authorization_server),
    re_path(r"^admin(?:/|$)", views.at_authorization_server),
    path("", include("mcp_app.urls")),
    other_authorization_server,
    path(".well-known/<path:name>", views.unknown_document),
]
