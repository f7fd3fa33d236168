"""Where a request goes. `daphne everything_site.asgi:application` serves this in production.

/mcp                    Streamable HTTP, all revisions      mcp_app
/sse  /message          HTTP+SSE of 2024-11-05              mcp_app
/healthz  /readyz       probes                              mcp_app
everything else         sign-in, consent, admin, pages      Django
"""

import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from everything_site import startup

startup.setup()  # before anything that needs the apps to be loaded

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.urls import URLPattern, re_path  # noqa: E402

from everything_site.hsts import StrictTransportSecurity  # noqa: E402
from everything_site.readiness import try_database  # noqa: E402
from everything_site.request_log import RequestLog  # noqa: E402
from everything_site.websockets import refuse_websocket  # noqa: E402
from mcp_app.conf import conf  # noqa: E402
from mcp_app.runtime import Runtime  # noqa: E402
from mcp_app.transports.cors import open_to  # noqa: E402
from mcp_app.transports.guard import Guard  # noqa: E402
from mcp_app.transports.health import Healthz, Readyz  # noqa: E402
from mcp_app.transports.http_sse import Message, Sse  # noqa: E402
from mcp_app.transports.streamable_http import StreamableHttp  # noqa: E402

django_application = cast(Any, ASGIHandler())
runtime = Runtime()
browsers = tuple(conf.allowed_origins)
own_apps = ["mcp_app", "demo"] if settings.IS_SEPARATE else None  # whose tables this server writes
needs: dict[str, Callable[[], Awaitable[None]]] = {
    **runtime.needs,
    "database": partial(try_database, own_apps),
}


def route(pattern: str, app: Any) -> URLPattern:
    """Channels routes ASGI applications by Django's patterns, which are typed for views."""
    return re_path(pattern, app)


gc.collect()
gc.freeze()  # what is loaded by now stays for good; no later collection needs to look at it
# A request makes some hundred objects: not every third need start a collection. Large bodies start their own.
gc.set_threshold(10_000)

routes = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                route(r"^mcp/?$", open_to(browsers, Guard(StreamableHttp(runtime), runtime))),
                route(r"^sse/?$", open_to(browsers, Guard(Sse(runtime), runtime, is_sse=True))),
                route(r"^message/?$", open_to(browsers, Guard(Message(runtime), runtime, is_sse=True))),
                route(r"^healthz$", Healthz()),
                route(r"^readyz$", Readyz(needs, lambda: runtime.is_draining)),
                route(r"", django_application),
            ]
        ),
        "websocket": refuse_websocket,
    }
)
application = RequestLog(StrictTransportSecurity(routes))
