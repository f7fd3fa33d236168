"""What a project needs beside the ASGI routes whose authorization server is elsewhere."""

from django.contrib import admin
from django.urls import include, path

from mcp_app.urls import other_authorization_server

urlpatterns = [path("", include("mcp_app.urls")), other_authorization_server, path("admin/", admin.site.urls)]
