"""Pages that say who is signed in are kept by no cache."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class PrivatePagesMiddleware:
    """Adds `Cache-Control: private, no-store` to what was made for somebody who is signed in.

    It must stand after AuthenticationMiddleware. What says itself how it may be kept is left as it is.
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
