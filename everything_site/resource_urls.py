"""Where Django answers at the MCP server of separate mode: what it is, and whose tokens it takes.

Nothing here signs anybody in or gives a token. The admin is at the authorization server, and so are the
connected applications; who looks for them here is sent there.
"""

from django.urls import include, path, re_path

from everything_site import views
from mcp_app.urls import other_authorization_server

handler500 = "everything_site.database_outage.server_error"

urlpatterns = [
    path("", views.landing, name="landing"),
    path("tour/<slug:feature>", views.tour, name="tour"),
    path("connections", views.at_authorization_server),
    re_path(r"^admin(?:/|$)", views.at_authorization_server),
    path("", include("mcp_app.urls")),
    other_authorization_server,
    path(".well-known/<path:name>", views.unknown_document),
]
