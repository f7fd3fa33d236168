"""Where the resource server describes itself."""

from django.urls import re_path

from mcp_app.auth import metadata

app_name = "mcp_auth"

urlpatterns = [
    # RFC 9728 §3.1 inserts the well-known part before the path; clients fall back to the root.
    re_path(
        r"^\.well-known/oauth-protected-resource(?:/mcp)?/?$",
        metadata.protected_resource,
        name="protected-resource",
    ),
    # The endpoint of HTTP+SSE is a URL of its own, and clients compare `resource` with the URL that they use.
    re_path(
        r"^\.well-known/oauth-protected-resource/sse/?$",
        metadata.protected_resource,
        {"is_sse": True},
        name="protected-resource-sse",
    ),
]
