"""URLs of the resource metadata (RFC 9728 §3.1)."""

import re

from django.urls import re_path

from mcp_app.auth import metadata
from mcp_app.conf import conf

app_name = "mcp_auth"

_PATH = re.escape(conf.path)
_SSE_PATH = re.escape(conf.sse_path)

urlpatterns = [
    # The resource's path follows the well-known part; clients fall back to the root.
    re_path(
        rf"^\.well-known/oauth-protected-resource(?:{_PATH})?/?$",
        metadata.protected_resource,
        name="protected-resource",
    ),
]
if conf.http_sse:
    # HTTP+SSE has a different URL, and clients compare `resource` with the URL that they use.
    urlpatterns.append(
        re_path(
            rf"^\.well-known/oauth-protected-resource{_SSE_PATH}/?$",
            metadata.protected_resource,
            {"is_sse": True},
            name="protected-resource-sse",
        )
    )

other_authorization_server = re_path(  # for a project whose authorization server is elsewhere
    rf"^\.well-known/oauth-authorization-server(?:{_PATH}|{_SSE_PATH})?/?$",
    metadata.other_authorization_server,
)
