"""`/admin/room/`: the machine room of everything, for operators."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from everything_site.workbench.operators_feed import PATH, PERMISSION


@require_safe
def machine_room(request: HttpRequest) -> HttpResponse:
    """The page, whose picture is drawn from `operators_feed`."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    context = {**admin.site.each_context(request), "title": "Machine room", "feed": PATH}
    return TemplateResponse(request, "workbench/room.html", context)
