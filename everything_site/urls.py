"""Where Django answers: everything but the MCP endpoints, which `asgi.py` routes."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("oauth_app.urls")),
    path("fakeupstreamauth/", include("fakeupstream.urls")),
    path("admin/", admin.site.urls),
]
