"""Where a request goes. `daphne -v 0 everything_site.asgi:application` serves this in production.

/mcp                    Streamable HTTP, all revisions      mcp_app; a page for browsers
/sse  /message          HTTP+SSE of 2024-11-05              mcp_app
/mcp/server-card        the card of the server              mcp_app
/.well-known/ai-catalog.json   the catalog that lists it    mcp_app
/healthz  /readyz       probes                              mcp_app
/metrics                metrics for Prometheus              mcp_app
/try/room               machine room of a user              mcp_app
/admin/room/feed        machine room of everything          everything_site.workbench
everything else         sign-in, consent, admin, pages      Django
"""

import gc
from functools import partial

from everything_site import startup

gc.disable()  # see below
runtime = startup.setup_runtime()  # before anything that needs the apps to be loaded

from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from everything_site.audit import Audit  # noqa: E402
from everything_site.audit.log import OFF  # noqa: E402
from everything_site.metrics import SiteMetrics  # noqa: E402
from everything_site.middleware.browsers import ConnectPage  # noqa: E402
from everything_site.middleware.handler import Handler  # noqa: E402
from everything_site.middleware.hsts import StrictTransportSecurity  # noqa: E402
from everything_site.middleware.request_log import RequestLog  # noqa: E402
from everything_site.middleware.websockets import refuse_websocket  # noqa: E402
from everything_site.workbench.operators_feed import PATH_OF_ONE, with_operators_feed  # noqa: E402
from mcp_app.readiness import try_database  # noqa: E402
from mcp_app.routing import mcp_application  # noqa: E402
from mcp_app.transports.head_limit import HeadLimit  # noqa: E402

if settings.AUDIT_LOG != OFF:
    runtime.observers.attach(Audit())
own_apps = ["mcp_app", "demo"] if settings.IS_SEPARATE else None  # whose tables this server writes
needs = {"database": partial(try_database, own_apps)}

gc.collect()
gc.freeze()  # everything loaded so far stays; no collection needs to examine it
gc.enable()
# A request creates some hundred objects, so collect less often. Large bodies trigger their own collection.
gc.set_threshold(10_000)

pages = HeadLimit(Handler() if settings.IS_SEPARATE else with_operators_feed(Handler(), runtime))
others = ProtocolTypeRouter({"http": pages, "websocket": refuse_websocket})
routes = ConnectPage(mcp_application(others, runtime=runtime, needs=needs, room=PATH_OF_ONE), pages)
site_metrics = SiteMetrics(runtime.measuring.metrics)
site_metrics.start()
application = RequestLog(StrictTransportSecurity(routes), runtime.measuring.metrics)
startup.announce()
