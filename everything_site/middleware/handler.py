"""Django's ASGI handler, except for requests that Django should not read: too long, or malformed."""

from __future__ import annotations

import codecs
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest

from everything_site.middleware.request_limits import LimitedBody
from oauth_app.endpoints.tokens import FORM_TYPES
from oauth_app.http.api import refusal
from oauth_app.http.cors import add_headers as add_cors_headers

URLENCODED = "application/x-www-form-urlencoded"

CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1"})
"""The encodings a form in parts may have, by Python's names."""

ODD_CHARSET = "The charset in Content-Type must be UTF-8."

ODD_QUERY = "The query is invalid, or has too many parameters."


class Handler(ASGIHandler):
    """Responds with 413, in JSON, to a body that is longer than any page needs, and with 408 to a slow one.

    Django limits only parts of a form, after it has stored all of it, and parses what is allowed for so long
    that others wait: its threads share one interpreter with the event loop.

    Responds with 400 where Django would fail with a traceback for anybody. Python also has codecs that are
    not text encodings, such as `rot13`. Django uses whatever codec the form names, and does not catch its
    errors in the parser, the CSRF middleware, or when it creates the request. There it also reads the query,
    if the form names a charset.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = LimitedBody(receive)
        await super().__call__(scope, body, send)
        if body.refusal is not None:
            status, reason = body.refusal
            await self.send_response(_refusal(reason, status), send)

    def create_request(self, scope: Any, body_file: Any) -> Any:
        try:
            request, error = super().create_request(scope, body_file)
            if request is not None:
                _ = request.GET  # Django's page about an error, with DEBUG, would read it first
        except ValueError:  # from a parameter of Content-Type that names its own charset (RFC 2231)
            request, error = None, _refusal(ODD_CHARSET)
        except (BadRequest, SuspiciousOperation):
            request, error = None, _refusal(ODD_QUERY)
        if request is not None and not _is_charset_of_text(request):
            request, error = None, _refusal(ODD_CHARSET)
        return request, error


def _is_charset_of_text(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset")
    if charset is None or request.content_type not in FORM_TYPES:
        return True
    if request.content_type == URLENCODED:
        return charset.lower() == "utf-8"  # the only spelling that Django reads these in
    try:
        return codecs.lookup(charset).name in CHARSETS
    except LookupError:
        return False


def _refusal(reason: str, status: int = 400) -> Any:
    response = refusal("invalid_request", reason, status)
    add_cors_headers(response)
    return response
