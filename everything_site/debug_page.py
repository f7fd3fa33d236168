"""Hides secrets within values in error reports, in addition to what Django hides."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

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
