"""Rejects requests for unknown hosts with a plain 421, in development as well."""

from __future__ import annotations

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin


class HostMiddleware(MiddlewareMixin):
    """Responds with 421 to an unknown host (RFC 9110 §15.5.20), like the MCP endpoints.

    Django would raise an exception: a traceback in the log and, with DEBUG, a page with all settings for
    anyone who can point a name at this computer.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        try:
            request.get_host()
        except DisallowedHost:
            sentence = "This host is not served here; see ALLOWED_HOSTS.\n"
            return HttpResponse(sentence, status=421, content_type="text/plain; charset=utf-8")
        return None
