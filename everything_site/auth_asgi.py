"""The authorization server of separate mode. `daphne -v 0 -p 3001 everything_site.auth_asgi:application`.

/healthz  /readyz       probes
/metrics                metrics for Prometheus
everything else         OAuth, sign-in, consent, admin      Django, by urls/authorization_server.py
"""

import atexit
import re
from functools import partial
from typing import Any

from everything_site import startup

# Before anything that needs the apps to be loaded. Redis is for rate limits and announcements only.
startup.setup(tolerated=["everything_site.E003"])

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import URLPattern, re_path  # noqa: E402

from everything_site import env  # noqa: E402
from everything_site.accounts import deletion  # noqa: E402
from everything_site.metrics import SiteMetrics  # noqa: E402
from everything_site.middleware.handler import Handler  # noqa: E402
from everything_site.middleware.hsts import StrictTransportSecurity  # noqa: E402
from everything_site.middleware.request_log import RequestLog  # noqa: E402
from everything_site.middleware.websockets import refuse_websocket  # noqa: E402
from everything_site.pages.navigation import AUTH_URLS  # noqa: E402
from mcp_app import daphne_http  # noqa: E402
from mcp_app.conf import conf  # noqa: E402
from mcp_app.monitoring import catalogue  # noqa: E402
from mcp_app.monitoring.measuring import configured_metrics  # noqa: E402
from mcp_app.readiness import try_database  # noqa: E402
from mcp_app.transports.head_limit import HeadLimit  # noqa: E402
from mcp_app.transports.health import Healthz, Readyz  # noqa: E402
from mcp_app.transports.metrics import MetricsPage  # noqa: E402
from mcp_app.transports.served_by import name_process  # noqa: E402

if fault := env.auth_server_fault(settings.ENV):
    raise SystemExit(fault)

deletion.connect()
daphne_http.install()


class AuthServerHandler(Handler):
    """Django with the authorization server's URLs; ROOT_URLCONF is the MCP server's."""

    def create_request(self, scope: Any, body_file: Any) -> Any:
        request, error = super().create_request(scope, body_file)
        if request is not None:
            request.urlconf = AUTH_URLS
        return request, error


def route(pattern: str, app: Any) -> URLPattern:
    """Channels routes ASGI applications by Django's patterns, which are typed for views."""
    return re_path(pattern, app)


django_application: Any = AuthServerHandler()

measured = configured_metrics()
measured.declare([catalogue.READY])
atexit.register(measured.close)
site_metrics = SiteMetrics(measured)
site_metrics.start()
readyz = Readyz(
    {"database": partial(try_database, None)},
    on_tried=lambda need, works: measured.record(catalogue.READY, works, need),
)
paths = [route(r"^healthz$", Healthz()), route(r"^readyz$", readyz)]
if measured.page is not None:
    page = MetricsPage(measured.page, readyz.first_fault, settings.AUTH_SERVER_URL)
    paths.append(route(rf"^{re.escape(conf.metrics_path.removeprefix('/'))}$", page))

routes = ProtocolTypeRouter(
    {"http": URLRouter([*paths, route(r"", django_application)]), "websocket": refuse_websocket}
)
application = RequestLog(HeadLimit(StrictTransportSecurity(name_process(routes))), measured)
startup.announce()
