"""Cross-Origin-Opener-Policy, on the pages that no client opens in a popup."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class OpenerPolicyMiddleware:
    """Cuts the admin and the connections page from whatever window opened them.

    Clients in a browser open `/authorize` in a popup, whose last page hands the code to its opener. A page on
    the way that set the policy would cut the two for good, so the sign-in, the consent, the callback and
    error pages do not set it. Neither does the admin's login page, which may serve as the sign-in.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code < 400 and _is_apart(request):
            response["Cross-Origin-Opener-Policy"] = "same-origin"
        return response


def _is_apart(request: HttpRequest) -> bool:
    match = request.resolver_match
    if match is None:
        return False
    if match.app_name == "admin":
        return match.url_name != "login"
    return match.view_name == "oauth_app:connections"
