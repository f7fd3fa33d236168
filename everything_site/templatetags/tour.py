"""Filters for the pages of the tour."""

from __future__ import annotations

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def prose(text: str) -> SafeString:
    """A sentence with what is between backticks as code."""
    pieces = re.split(r"`([^`]+)`", text)
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", one) if odd % 2 else one,) for odd, one in enumerate(pieces)),
    )
