# project/urls.py
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("mcp_app.urls")),
    path("", include("oauth_app.urls")),
]
