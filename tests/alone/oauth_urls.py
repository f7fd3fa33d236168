"""The URLs of a project that is an authorization server."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("", include("oauth_app.urls")), path("admin/", admin.site.urls)]
