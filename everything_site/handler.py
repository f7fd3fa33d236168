"""Django's ASGI handler, but for requests whose declared charset Django cannot read."""

from __future__ import annotations

import codecs
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest

from oauth_app.api import refusal
from oauth_app.cors import add_headers as add_cors_headers
from oauth_app.tokens import FORM_TYPES

CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1"})
"""The encodings a form may have, by Python's names."""


class Handler(ASGIHandler):
    """Responds with 400, in JSON, where Django would fail with a traceback for anybody.

    Python also has codecs that are not text encodings, such as `rot13`. Django uses whatever codec the form
    names, and does not catch its errors in the parser, the CSRF middleware, or when it creates the request.
    """

    def create_request(self, scope: Any, body_file: Any) -> Any:
        try:
            request, error = super().create_request(scope, body_file)
        except ValueError:  # of a parameter of Content-Type that names its own charset (RFC 2231)
            request, error = None, _refusal()
        if request is not None and not _is_charset_of_text(request):
            request, error = None, _refusal()
        return request, error


def _is_charset_of_text(request: HttpRequest) -> bool:
    charset = (request.content_params or {}).get("charset")
    if charset is None or request.content_type not in FORM_TYPES:
        return True
    try:
        return codecs.lookup(charset).name in CHARSETS
    except LookupError:
        return False


def _refusal() -> Any:
    response = refusal("invalid_request", "The charset in Content-Type must be UTF-8.")
    add_cors_headers(response)
    return response
