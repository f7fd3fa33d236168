"""Responses while the database is unavailable: 503, in JSON for programs and in HTML for people."""

from __future__ import annotations

import logging
import sys

from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from mcp_app.database import is_database_outage
from mcp_app.exceptions import RETRY_AFTER_SECONDS, Store
from oauth_app.http.api import is_api_request, refusal
from oauth_app.http.cors import add_headers as add_cors_headers

logger = logging.getLogger(__name__)


class DatabaseMiddleware(MiddlewareMixin):
    """Responds with 503 if a view failed because of the database; must be the first middleware.

    It also closes the connection of the request before the response is sent, so that slow clients do not
    occupy connections.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception) if is_database_outage(exception) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        for connection in connections.all(initialized_only=True):
            # CONN_MAX_AGE is 0. Django's `close_if_unusable_or_obsolete` would ask the database first.
            if connection.connection is not None and not connection.in_atomic_block:  # a test's
                connection.close()
        return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, also for errors outside of views, such as saving the session."""
    error = sys.exc_info()[1]
    if error is not None and is_database_outage(error):
        return unavailable(request, error)
    response = render(request, "500.html", status=500)
    if is_api_request(request):
        add_cors_headers(response)
    return response


def unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The response to a request that needed the database."""
    logger.error("database unavailable", extra={"path": request.path, "reason": str(error).strip()})
    response: HttpResponse
    if is_api_request(request) or not request.accepts("text/html"):
        response = refusal("temporarily_unavailable", Store.DATABASE.value, 503)
        add_cors_headers(response)
    else:
        response = render(request, "503.html", status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response["Cache-Control"] = "no-store"
    return response
