"""The URLs of integrated mode: everything but the MCP endpoints, which are ASGI routes."""

from django.contrib import admin
from django.urls import include, path

from everything_site.pages import views
from everything_site.workbench.room import machine_room

handler400 = "everything_site.pages.views.bad_request"
handler404 = "everything_site.pages.views.not_found"
handler500 = "everything_site.middleware.database_outage.server_error"

urlpatterns = [
    path("", include("everything_site.urls.pages")),
    path("", include("mcp_app.urls")),
    path("", include("oauth_app.urls")),
    path(".well-known/<path:name>", views.unknown_document),
    path("fakeupstreamauth/", include("fakeupstream.urls")),
    path("admin/room/", admin.site.admin_view(machine_room), name="machine-room"),
    path("admin/", include("everything_site.urls.admin")),
]
