"""The URLs of a project with a separate authorization server, besides the ASGI routes."""

from django.contrib import admin
from django.urls import include, path

from mcp_app.urls import other_authorization_server

urlpatterns = [path("", include("mcp_app.urls")), other_authorization_server, path("admin/", admin.site.urls)]
