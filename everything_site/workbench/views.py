"""The page of the workbench, and where its sign-in returns to."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from everything_site.behind_relay import is_behind_relay
from everything_site.workbench.security import workbench_policy
from mcp_app.asking import MODEL_DEADLINE, PERSON_DEADLINE
from mcp_app.conf import conf


@require_safe
@workbench_policy
def workbench(request: HttpRequest) -> HttpResponse:
    """`/try`: an MCP client in the browser. What it shows is in the fragment, which the server never sees."""
    context = {
        "mcp_url": settings.MCP_RESOURCE_URL,
        "lease_seconds": conf.lease_seconds,
        # How long tools wait for answers.
        "person_seconds": min(PERSON_DEADLINE, conf.client_request_seconds),
        "model_seconds": min(MODEL_DEADLINE, conf.client_request_seconds),
        "has_relay": is_behind_relay(),
    }
    return render(request, "workbench/try.html", context)


@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """`/try/callback`, the redirect URI: a script hands the code to the workbench and closes the window."""
    response = render(request, "workbench/callback.html")
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
