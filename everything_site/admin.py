"""The admin of this site: its name, its users, and what the other apps cannot know about each other.

Users and clients have live sessions, and users have private notes, which end or are deleted with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from everything_site.accounts import deletion, last_seen
from everything_site.demo.admin import NoteAdmin
from everything_site.demo.models import Note
from mcp_app.exceptions import Unavailable
from mcp_app.monitoring.sessions import Listing, connected, live_sessions
from oauth_app.admin import ClientAdmin
from oauth_app.admin.actions import AskingAdmin, Question, button, counted, revoked
from oauth_app.admin.lists import ListAdmin
from oauth_app.models import Client, live_tokens

_COUNTED = 10_000
"""How many live sessions are counted."""

_POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
"""The fields of a user that say what they may do in the admin."""

User = get_user_model()
admin.site.site_header = admin.site.site_title = "Everything Server"
admin.site.index_title = "Admin"
admin.site.unregister([User, Group, Note])


@admin.register(User)
class SiteUserAdmin(AskingAdmin, UserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "enabled", "is_staff", "live_tokens", "last_login", "date_joined")
    readonly_fields = ("clients_used",)
    date_hierarchy = "date_joined"
    actions = ("disable", "enable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Q(oauth_app_accesstoken__expires__gt=timezone.now())
        return (
            super()
            .get_queryset(request)
            .annotate(live_token_count=Count("oauth_app_accesstoken", filter=live))
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show whether a user is enabled; there are actions to change it, which say what follows.

        The password has a link to a page that is for those who may change users.
        """
        shown: dict[Any, str] = {"is_active": "enabled"}
        used = [("MCP clients", {"fields": ["clients_used"]})] if obj is not None else []
        if obj is not None and not self.has_change_permission(request, obj):
            shown["password"] = ""
        return [
            (
                title,
                {
                    **options,
                    "fields": [name for field in options["fields"] if (name := shown.get(field, field))],
                },
            )
            for title, options in (*super().get_fieldsets(request, obj), *used)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers give permissions: others could give themselves all."""
        shown = (*super().get_readonly_fields(request, obj), "enabled")
        return shown if request.user.is_superuser else (*shown, *_POWERS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)

    @admin.display(description="enabled", boolean=True, ordering="is_active")
    def enabled(self, user: Any) -> bool:
        return bool(user.is_active)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Never bring back a user who was deleted in the meantime, as `save` would."""
        obj.save(force_update=change)

    @admin.display(description="last used")
    def clients_used(self, user: Any) -> str:
        return last_seen.clients_of(user)

    @admin.display(description="live tokens", ordering="live_token_count")
    def live_tokens(self, user: Any) -> int:
        return int(user.live_token_count)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        """Include the notes: the confirmation shows their number but not their content."""
        users = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(users, request)
        counts = counts | _sessions_count(users=users)
        if number := deletion.notes_of(users).count():
            one, many = str(Note._meta.verbose_name), str(Note._meta.verbose_name_plural)
            deleted = [*deleted, f"{number} private {one if number == 1 else many}"]
            counts = {**counts, many: number}
            if not request.user.has_perm("demo.delete_note"):
                perms_needed = {*perms_needed, one}
        return deleted, counts, perms_needed, protected

    def offers(self, action: str, row: Any) -> bool:
        return {"disable": row.is_active, "enable": not row.is_active}.get(action, True)

    @button("Disable…")
    @admin.action(description="Disable the selected users…", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        users = self._allowed(request, queryset)
        if not users:
            return None
        number = counted(len(users), "user")
        question = Question(
            f"Disable {number}?",
            lambda: [
                revoked(live_tokens(user__in=users), "application"),
                *_sessions(users=users),
                "A disabled user cannot sign in. Enabling them again does not restore the access of clients.",
            ],
            "Disable",
        )
        if page := self.ask(request, users, "disable", question):
            return page
        disabled = self.each(request, users, lambda user: _set_active(user, False), "Disabled.")
        self.message_user(request, f"{counted(disabled, 'user')} disabled, and all their access revoked.")
        return None

    @button("Enable")
    @admin.action(description="Enable the selected users", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        users = self._allowed(request, queryset)
        enabled = self.each(request, users, lambda user: _set_active(user, True), "Enabled.")
        self.message_user(request, f"{counted(enabled, 'user')} enabled.")

    def _allowed(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The users that this one may disable or enable, with a message if some are left out."""
        users = list(queryset)
        allowed = [user for user in users if user != request.user and _may_touch(request, user)]
        if len(allowed) < len(users):
            self.message_user(
                request,
                "Nobody can disable or enable themselves, and only superusers other superusers.",
                messages.WARNING,
            )
        return allowed


@admin.register(Group)
class SiteGroupAdmin(ListAdmin, GroupAdmin):
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only superusers give permissions: others could give them to a group of their own."""
        return () if request.user.is_superuser else ("permissions",)


@admin.register(Note)
class SiteNoteAdmin(ListAdmin, NoteAdmin):
    pass


class SiteClientAdmin(ClientAdmin):
    """Also says when each client was last seen at the MCP endpoints, and how many sessions end."""

    list_display = (*ClientAdmin.list_display, "last_seen")
    fields = (*ClientAdmin.fields, "last_seen")
    readonly_fields = (*ClientAdmin.readonly_fields, "last_seen")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Look for all clients of a page at once."""
        changelist = super().get_changelist_instance(request)
        last_seen.add_to(changelist.result_list)
        return changelist

    @admin.display(description="last seen (to the minute)")
    def last_seen(self, client: Client) -> str:
        if not hasattr(client, last_seen.ATTRIBUTE):
            last_seen.add_to([client])
        return str(getattr(client, last_seen.ATTRIBUTE))

    def lost(self, clients: list[Client]) -> list[str]:
        return [*super().lost(clients), *_sessions(clients=clients)]

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[Any, Any], set[Any], list[Any]]:
        clients = list(objs)
        deleted, counts, perms_needed, protected = super().get_deleted_objects(clients, request)
        return deleted, counts | _sessions_count(clients=clients), perms_needed, protected


def _may_touch(request: HttpRequest, user: Any) -> bool:
    """Only superusers change or delete superusers, including their passwords."""
    return user is None or request.user.is_superuser or not user.is_superuser


def _set_active(user: Any, is_active: bool) -> None:
    user.is_active = is_active
    user.save(update_fields=["is_active"])


def _live_sessions(users: Iterable[Any], clients: Iterable[Client]) -> Listing:
    """The live sessions of these users or clients, among the first that are found."""
    names: Collection[str] = {user.get_username() for user in users}
    ids: Collection[str] = {client.client_id for client in clients}
    with connected() as redis:
        listing = live_sessions(redis, limit=_COUNTED)
    theirs = [session for session in listing.sessions if session.user in names or session.client in ids]
    return Listing(theirs, listing.is_complete)


def _sessions(users: Iterable[Any] = (), clients: Iterable[Client] = ()) -> list[str]:
    try:
        found = _live_sessions(users, clients)
    except Unavailable:
        return ["Redis cannot be reached, so live sessions cannot be counted now."]
    calls = sum(session.calls for session in found.sessions)
    sessions = counted(len(found.sessions), "live session")
    least = "" if found.is_complete else "At least "
    return [
        f"{least}{sessions} with {counted(calls, 'running call')} will end.",
        "Calls of clients without sessions (revision 2026-07-28) end as well; they are not counted.",
    ]


def _sessions_count(users: Iterable[Any] = (), clients: Iterable[Client] = ()) -> dict[str, int]:
    """The number of live sessions, for the summary of a deletion."""
    try:
        found = _live_sessions(users, clients)
    except Unavailable:
        return {}
    number = len(found.sessions)
    if not found.is_complete:
        return {"live sessions, at least": number}
    return {"live sessions": number} if number else {}
