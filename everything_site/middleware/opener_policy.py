"""Cross-Origin-Opener-Policy, except on pages that clients may open in a popup."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class OpenerPolicyMiddleware:
    """Isolates the admin, the connections page and the workbench from the window that opened them.

    The workbench opens a popup itself, which it has to see.

    Clients in a browser open `/authorize` in a popup, whose last page hands the code to its opener. A page on
    the way that set the policy would cut that link for good, so sign-in, consent and error pages do not set
    it. Nor does the login page of the admin, which may serve as the sign-in page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code < 400 and (policy := _policy(request)):
            response["Cross-Origin-Opener-Policy"] = policy
        return response


def _policy(request: HttpRequest) -> str | None:
    match = request.resolver_match
    if match is None:
        return None
    if match.view_name == "workbench:workbench":
        return "same-origin-allow-popups"
    is_admin = match.app_name == "admin" and match.url_name != "login"
    return "same-origin" if is_admin or match.view_name == "oauth_app:connections" else None
