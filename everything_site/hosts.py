"""A Host that is not served here is refused before any page: one line, in development as well."""

from __future__ import annotations

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin


class HostMiddleware(MiddlewareMixin):
    """Answers 421 to a foreign host (RFC 9110 §15.5.20), as the MCP endpoints do.

    Left to Django, it would be an exception: a traceback in the log and, with DEBUG, a page of all settings
    for whoever can point a name at this computer.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        try:
            request.get_host()
        except DisallowedHost:
            sentence = "This host is not served here; see ALLOWED_HOSTS.\n"
            return HttpResponse(sentence, status=421, content_type="text/plain; charset=utf-8")
        return None
