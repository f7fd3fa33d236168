"""The URLs of the pages that the MCP server has in both modes."""

from django.urls import include, path, re_path

from everything_site.middleware import browsers
from everything_site.pages import about, tour, views

urlpatterns = [
    path("", views.landing, name="landing"),
    *(re_path(pattern, views.connect) for pattern in browsers.patterns()),
    *(path(name, about.page, {"name": name}, name=name) for name in about.PAGES),
    *(path(f".well-known/{name}", about.challenge, {"name": name}) for name in about.CHALLENGES),
    path("robots.txt", about.robots, name="robots"),
    path(".well-known/security.txt", about.security, name="security"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("tour/", tour.index, name="tour-index"),
    path("tour/search.json", tour.search, name="tour-search"),
    path("tour/<slug:feature>", tour.page, name="tour"),
    path("tour/<slug:feature>.json", tour.recording, name="tour-recording"),
    path("", include("everything_site.workbench.urls")),
]
