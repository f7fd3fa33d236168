"""A page with the workbench's forms, results, questions and apps, under its policy but without the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import override_settings
from django.urls import include, path
from django.views.decorators.http import require_safe

from everything_site.workbench.security import workbench_policy

FOLDER = Path(__file__).parent


@require_safe
@workbench_policy
def page(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string((FOLDER / "page.html").read_text())
    return HttpResponse(template.render({}, request))


@require_safe
def script(request: HttpRequest) -> HttpResponse:
    return HttpResponse((FOLDER / "page.js").read_bytes(), content_type="text/javascript")


@require_safe
def stylesheet(request: HttpRequest) -> HttpResponse:
    return HttpResponse((FOLDER / "page.css").read_bytes(), content_type="text/css")


urlpatterns = [
    path("components", page),
    path("components.js", script),
    path("components.css", stylesheet),
    path("", include("everything_site.urls.integrated")),
]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def components() -> Iterator[str]:
    """The address of the page, on a server in this process."""
    with override_settings(ROOT_URLCONF=__name__):
        server = ThreadedWSGIServer(("127.0.0.1", 0), _Quiet)
        server.daemon_threads = True
        server.set_app(WSGIHandler())
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/components"
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()
