"""The admin page of live sessions: who is connected, how active they are, and an action to end them.

Session ids do not appear in the page: it uses keyed digests of them, and shows only their beginning.
"""

from __future__ import annotations

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
        if request.method == "POST" and not self.has_delete_permission(request):
            raise PermissionDenied
        try:
            with overview.connected() as redis:
                if request.method == "POST":
                    return self._end(request, redis)
                listing = overview.live_sessions(
                    redis,
                    limit=_LISTED,
                    user=request.GET.get("user") or None,
                    client=request.GET.get("client") or None,
                )
        except Unavailable:
            return self._page(request, None, status=503)
        return self._page(request, listing)

    def _page(
        self, request: HttpRequest, listing: overview.Listing | None, status: int = 200
    ) -> HttpResponse:
        """The list; None while Redis cannot be reached."""
        context = {
            **self._context(request, "Live sessions"),
            "is_known": listing is not None,
            "sessions": [_row(session) for session in listing.sessions] if listing else [],
            "is_complete": listing is None or listing.is_complete,
            "may_end": self.has_delete_permission(request),
            "user_asked": request.GET.get("user", ""),
            "client_asked": request.GET.get("client", ""),
        }
        return TemplateResponse(request, "admin/mcp_app/live_sessions.html", context, status=status)

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}

    def _end(self, request: HttpRequest, redis: Redis) -> HttpResponse:
        """End the selected sessions, once the user has confirmed."""
        chosen = set(request.POST.getlist("session"))
        session_ids = [session_id for session_id in overview.all_ids(redis) if digest(session_id) in chosen]
        sessions = overview.read(redis, session_ids)
        if sessions and "confirmed" not in request.POST:
            title = "End 1 session?" if len(sessions) == 1 else f"End {len(sessions)} sessions?"
            context = {
                **self._context(request, title),
                "sessions": [_row(session) for session in sessions],
                "calls": sum(session.calls for session in sessions),
            }
            return TemplateResponse(request, "admin/mcp_app/end_sessions.html", context)
        ended = control.end_sessions([session.id for session in sessions], request.user.get_username())
        for session in sessions:
            if session.id not in ended:
                continue
            name = overview.printable(session.client_name or session.client)
            LogEntry.objects.create(
                user=cast(Any, request.user),
                content_type=ContentType.objects.get_for_model(LiveSession),
                object_id=digest(session.id),
                object_repr=f"{session.shown}, {overview.printable(session.user)} with {name}",
                action_flag=DELETION,
                change_message="Ended.",
            )
        if sessions:
            self.message_user(request, f"Sessions ended: {len(ended)}.")
            if len(ended) < len(sessions):
                self.message_user(request, "Redis could not be reached for the others.", messages.WARNING)
        elif chosen:
            self.message_user(request, "The selected sessions have already ended.", messages.WARNING)
        else:
            self.message_user(request, "Select the sessions to end.", messages.WARNING)
        return HttpResponseRedirect(request.get_full_path())


def _row(session: overview.Session) -> dict[str, Any]:
    return {
        "digest": digest(session.id),
        "session": session,
        "user": overview.printable(session.user),
        "client": overview.printable(session.client_name or session.client),
        "client_id": overview.printable(session.client) if session.client_name else "",
        "age": _duration(session.age_seconds),
        "idle": "?" if session.idle_seconds is None else _duration(session.idle_seconds),
    }


def _duration(seconds: int) -> str:
    """For example "40 s", "12 min" or "3 h 5 min"."""
    minutes, hours = seconds // 60, seconds // 3600
    if not minutes:
        return f"{seconds} s"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
