"""The admin page of live sessions: who is connected, how active they are, and an action to end them.

Session ids do not appear in the page: it uses keyed digests of them, and shows only their beginning.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.crypto import salted_hmac
from redis import Redis

from mcp_app import control
from mcp_app.exceptions import Unavailable
from mcp_app.models import LiveSession
from mcp_app.monitoring import sessions as overview

_LISTED = 500


def digest(session_id: str) -> str:
    """Identifies a session in the page."""
    return salted_hmac("mcp_app.sessions_admin", session_id, algorithm="sha256").hexdigest()


@admin.register(LiveSession)
class LiveSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """One page with data from Redis. There is no table, and so no page for a single session."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            with overview.connected() as redis:
                if request.method == "POST":
                    self._end(request, redis)
                    return HttpResponseRedirect(request.get_full_path())
                listing = overview.live_sessions(
                    redis,
                    limit=_LISTED,
                    user=request.GET.get("user") or None,
                    client=request.GET.get("client") or None,
                )
        except Unavailable:
            self.message_user(request, "Redis cannot be reached.", messages.ERROR)
            return self._page(request, overview.Listing([], is_complete=True), status=503)
        return self._page(request, listing)

    def _page(self, request: HttpRequest, listing: overview.Listing, status: int = 200) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Live sessions",
            "opts": self.opts,
            "sessions": [_row(session) for session in listing.sessions],
            "is_complete": listing.is_complete,
            "may_end": self.has_delete_permission(request),
            "user_asked": request.GET.get("user", ""),
            "client_asked": request.GET.get("client", ""),
        }
        return TemplateResponse(request, "admin/mcp_app/live_sessions.html", context, status=status)

    def _end(self, request: HttpRequest, redis: Redis) -> None:
        """End the selected sessions."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        chosen = set(request.POST.getlist("session"))
        session_ids = [session_id for session_id in overview.all_ids(redis) if digest(session_id) in chosen]
        for session in overview.read(redis, session_ids):
            control.end_session(session.id, by=request.user.get_username())
            LogEntry.objects.create(
                user=cast(Any, request.user),
                content_type=ContentType.objects.get_for_model(LiveSession),
                object_id=digest(session.id),
                object_repr=f"{session.shown}, {session.user} with {session.client}"[:200],
                action_flag=DELETION,
                change_message="Ended.",
            )
        self.message_user(request, f"Sessions ended: {len(session_ids)}.")


def _row(session: overview.Session) -> dict[str, Any]:
    idle = session.idle_seconds
    return {
        "digest": digest(session.id),
        "session": session,
        "age": timedelta(seconds=session.age_seconds),
        "idle": "?" if idle is None else timedelta(seconds=idle),
    }
