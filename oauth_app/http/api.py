"""Endpoints that programs call, rather than browsers."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponseBase]


def api_view(view: View) -> View:
    """The view, exempt from CSRF checks: programs send no cookies, and expect every error to be JSON."""

    exempt = csrf_exempt(view)
    exempt.is_api_view = True  # type: ignore[attr-defined]
    return exempt


def is_api_request(request: HttpRequest) -> bool:
    """Whether the request was routed to an `api_view`, whatever it says that it accepts."""
    match = request.resolver_match
    return match is not None and getattr(match.func, "is_api_view", False)


def refusal(error: str, description: str, status: int = 400) -> JsonResponse:
    """An OAuth error response (RFC 6749 §5.2), which no cache may keep."""
    response = JsonResponse({"error": error, "error_description": description}, status=status)
    response["Cache-Control"] = "no-store"
    return response
