"""Operators, who sign in to the admin."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import httpx2

_CREATE = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("{name}", password="{password}")
"""


def operators_cookies(url: str, manage: Callable[..., object]) -> dict[str, str]:
    """The cookies of a new operator who is signed in.

    Args:
        url: The server.
        manage: Runs a management command there.
    """
    name, password = f"olga-{secrets.token_hex(3)}", secrets.token_urlsafe()
    manage("shell", "--no-imports", "-c", _CREATE.format(name=name, password=password))
    login = f"{url}/admin/login/"
    with httpx2.Client(timeout=20) as http:
        [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', http.get(login).text)
        fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        assert http.post(login, data=fields, headers={"Referer": login}).has_redirect_location
        return dict(http.cookies)
