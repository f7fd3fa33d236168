"""How a user signs in where the project does not say otherwise: at Django's LOGIN_URL."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse


def begin(request: HttpRequest, next_url: str) -> HttpResponse:
    """Send the user to LOGIN_URL, and from there back to `next_url`."""
    return redirect_to_login(next_url)
