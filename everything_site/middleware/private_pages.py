"""Keeps pages that show who is signed in out of caches."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class PrivatePagesMiddleware:
    """Adds `Cache-Control: private, no-store` to responses that were made for somebody who is signed in.

    It must stand after AuthenticationMiddleware. Responses that have the header already are left as they are.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        # An error page may be about the database, which would be asked for the user.
        is_page = response.status_code < 500 and "Cache-Control" not in response
        if is_page and request.session.accessed and request.user.is_authenticated:
            add_never_cache_headers(response)
        return response
