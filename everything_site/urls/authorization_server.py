"""The URLs of the authorization server of separate mode: OAuth, sign-in and admin, but no MCP."""

from django.urls import include, path

from everything_site.pages import about, views

handler400 = "everything_site.pages.views.bad_request"
handler404 = "everything_site.pages.views.not_found"
handler500 = "everything_site.middleware.database_outage.server_error"

urlpatterns = [
    path("", views.auth_landing, name="landing"),
    path("robots.txt", about.robots, name="robots"),
    path(".well-known/security.txt", about.security, name="security"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("", include("oauth_app.urls")),
    path(".well-known/<path:name>", views.unknown_document),
    path("fakeupstreamauth/", include("fakeupstream.urls")),
    path("admin/", include("everything_site.urls.admin")),
]
