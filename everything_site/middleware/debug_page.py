"""Error pages in development: those of the site, with Django's details folded beneath, without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, MiddlewareNotUsed, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/?#:@]*):[^\s/?#]+@")
_PASSWORD_IN_QUERY = re.compile(r"(?<=[?&]password=)[^&#\s]+", re.IGNORECASE)


class ReporterFilter(SafeExceptionReporterFilter):
    """Masks passwords in URLs, such as REDIS_URL."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return self._without_passwords(cleansed) if isinstance(cleansed, str) else cleansed

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: Any) -> Any:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [
            (name, self._without_passwords(value) if isinstance(value, str) else value)
            for name, value in variables
        ]

    def _without_passwords(self, text: str) -> str:
        text = _PASSWORD_IN_URL.sub(rf"\1:{self.cleansed_substitute}@", text)
        return _PASSWORD_IN_QUERY.sub(self.cleansed_substitute, text)


class Reporter(ExceptionReporter):
    """Shows the error pages of the site, with the traceback as text."""

    def get_traceback_html(self) -> SafeString:
        is_refused = isinstance(self.exc_value, BadRequest | SuspiciousOperation)
        context = {"details": self.get_traceback_text()}
        try:
            return render_to_string("400.html" if is_refused else "500.html", context, self.request)
        except Exception:  # the error may be in the templates
            return super().get_traceback_html()


class NotFoundMiddleware:
    """Shows the site's 404 page in development, where Django shows its own; must be the last middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.DEBUG:
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code == 404 and request.resolver_match is None:
            return _not_found(request, _patterns_tried(request))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Http404):
            return None
        return _not_found(request, f"{request.resolver_match}\n\nraised Http404: {exception}")


def _not_found(request: HttpRequest, details: str) -> HttpResponse:
    return render(request, "404.html", {"details": details}, status=404)


def _patterns_tried(request: HttpRequest) -> str:
    try:
        resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404 as error:
        tried = error.args[0]["tried"]
        lines = [" ".join(str(part.pattern) for part in pattern) for pattern in tried]
        return "\n".join([f"{request.path_info} matches none of these patterns:", "", *lines])
    return ""
