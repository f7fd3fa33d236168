"""Cross-origin requests: browser pages of any origin may use the endpoints that need no cookie."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from oauth_app.http.api import View

METHODS = ("GET", "POST", "PUT", "DELETE")
EXPOSED_HEADERS = ("WWW-Authenticate", "Retry-After", "X-Request-Id", "X-Served-By")
MAX_AGE_SECONDS = 600
"""How long a browser may remember the answer to a preflight."""


def allow_all_origins(view: View) -> View:
    """The view, for pages of any origin: answers preflights, and lets pages read the responses.

    Credentials are never allowed, so a browser sends no cookies along.
    """

    @wraps(view)
    def view_for_all_origins(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return _preflight(request)
        response = view(request, *args, **kwargs)
        add_headers(response)
        return response

    return view_for_all_origins


def add_headers(response: HttpResponseBase) -> None:
    """Let pages of any origin read the response.

    Also where no Origin was sent: a cache may give the response to a page later.
    """
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)


def _preflight(request: HttpRequest) -> HttpResponse:
    """What a page may send (Fetch standard, CORS-preflight request)."""
    response = HttpResponse()
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Methods"] = ", ".join(METHODS)
    response["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
    # By name: the wildcard does not cover Authorization.
    if requested := request.headers.get("Access-Control-Request-Headers"):
        response["Access-Control-Allow-Headers"] = requested
    # A public page may use a server on this computer or in a private network (Private Network Access).
    if "Access-Control-Request-Private-Network" in request.headers:
        response["Access-Control-Allow-Private-Network"] = "true"
    patch_vary_headers(response, ("Access-Control-Request-Headers", "Access-Control-Request-Private-Network"))
    return response
