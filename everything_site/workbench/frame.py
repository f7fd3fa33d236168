"""The shell of MCP Apps: an empty page of an opaque origin, which a host fills with an app's HTML.

MCP Apps 2026-01-26 (SEP-1865), "Sandbox proxy". The frame's own policy replaces that of the site: scripts and
styles of the app run, and nothing is fetched from anywhere, whatever domains the app declares.
"""

from __future__ import annotations

from csp.decorators import csp_exempt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

POLICY = "; ".join(
    (
        "sandbox allow-scripts allow-forms",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "media-src data: blob:",
        "font-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)


@require_safe
@csp_exempt()
@xframe_options_sameorigin
def frame(request: HttpRequest) -> HttpResponse:
    """`/try/frame`: tells its host that it is ready, and becomes the document that the host sends."""
    response = render(request, "workbench/frame.html")
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response
