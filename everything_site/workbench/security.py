"""What the workbench may do beyond the Content-Security-Policy of the site."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

View = Callable[[HttpRequest], HttpResponseBase]


def additions() -> dict[str, list[str]]:
    """The sources that the workbench adds to the policy of the site, by directive.

    Apps are shown in a frame of this server, results contain sound and pictures as `data:` and `blob:` URLs,
    and in separate mode the page gets its tokens from the authorization server.
    """
    auth_server = urlsplit(settings.AUTH_SERVER_URL)
    auth_origin = f"{auth_server.scheme}://{auth_server.netloc}"
    is_own = auth_server[:2] == urlsplit(settings.BASE_URI)[:2]
    return {
        "frame-src": [SELF],
        "media-src": ["data:", "blob:"],
        "img-src": ["blob:"],
        **({} if is_own else {"connect-src": [auth_origin]}),
    }


def workbench_policy(view: View) -> View:
    """A decorator for the page of the workbench: its policy is that of the site with the `additions`."""

    @wraps(view)
    def with_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        decorated: View = csp_update(additions())(view)
        return decorated(request, *args, **kwargs)

    return with_policy
