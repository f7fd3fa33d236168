"""The admin of clients, consents and tokens."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.contrib.auth import get_user_model
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from oauth_app.admin.actions import AskingAdmin, Question, button, counted, revoked
from oauth_app.models import AccessToken, Client, Grant, RefreshToken, end_access, end_families, live_tokens

USERNAME = f"user__{get_user_model().USERNAME_FIELD}"
"""The look-up of the name by which users sign in."""


class _ReadOnlyAdmin(AskingAdmin):
    """Created by the OAuth flows only. Revoked rather than deleted, so that reuse can be detected."""

    list_select_related = ("user", "application")
    search_fields = (USERNAME, "application__name", "application__client_id")
    date_hierarchy = "created"
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only as part of deleting the client or the user that it belongs to."""
        match = request.resolver_match
        own_pages = f"{self.opts.app_label}_{self.opts.model_name}_"
        if match is None or (match.url_name or "").startswith(own_pages):
            return False
        return super().has_delete_permission(request, obj)

    @button("Revoke…")
    @admin.action(
        description="Revoke, with everything else that came from the same consent…", permissions=["revoke"]
    )
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        rows = list(queryset)
        families: set[uuid.UUID | None] = {_family(row) for row in rows}
        consents = counted(len(families), "consent")
        access, refresh = live_tokens()
        question = Question(
            f"Revoke everything that came from {consents}?",
            lambda: [
                revoked(
                    (access.filter(family__in=families), refresh.filter(token_family__in=families)), "user"
                ),
                "A session ends if its client has no other access to the account. To get access again, the "
                "client has to ask its user.",
            ],
            "Revoke",
        )
        if page := self.ask(request, rows, "revoke", question):
            return page
        end_families(list(families))
        self.each(request, rows, lambda row: None, "Revoked.")
        self.message_user(request, f"Revoked everything that came from {consents}.")
        return None

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"oauth_app.delete_{self.opts.model_name}")

    @admin.display(description="client", ordering="application__name")
    def client(self, row: Grant | AccessToken | RefreshToken) -> str:
        return str(row.application)

    @admin.display(description="checksum")
    def masked(self, row: AccessToken | RefreshToken) -> str:
        return f"{row.token_checksum[:8]}…"


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whether a client is public follows from how it authenticates."""

    class Meta:
        help_texts = {
            "redirect_uris": "Separated by spaces or line ends.",
            "auth_method": "A confidential client gets a secret, which is shown once, after saving. A change "
            "between public and confidential revokes all access of the client, and a secret that it had.",
        }

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if method := found.get("auth_method"):
            is_public = method == Client.AuthMethod.NONE
            self.instance.client_type = Client.CLIENT_PUBLIC if is_public else Client.CLIENT_CONFIDENTIAL
        return found


class ClientAdmin(AskingAdmin):
    form = ClientForm
    list_display: tuple[str, ...] = (
        "shown_name",
        "registration_source",
        "is_enabled",
        "live_tokens",
        "used_at",
        "expires_at",
    )
    list_filter = ("registration_source", "auth_method", "is_enabled", "is_resource_server", "created")
    search_fields = ("name", "client_id", "redirect_uris")
    search_help_text = "By name, id or redirect URI, or by the name of a user who has granted it access."
    date_hierarchy = "created"
    actions = ("revoke", "disable", "enable")
    fields: ClassVar[tuple[str, ...]] = (
        "name",
        "client_id",
        "is_enabled",
        "redirect_uris",
        "application_type",
        "auth_method",
        "is_resource_server",
        "registration_source",
        "cimd_expires_at",
        "created",
        "used_at",
        "expires_at",
        "live_tokens",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "is_enabled",
        "registration_source",
        "cimd_expires_at",
        "created",
        "used_at",
        "expires_at",
        "live_tokens",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        live = Q(accesstoken__expires__gt=timezone.now())
        return super().get_queryset(request).annotate(live_token_count=Count("accesstoken", filter=live))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Client], search_term: str
    ) -> tuple[QuerySet[Client], bool]:
        """Also find the clients of a user, without a join for each kind of token."""
        found, has_duplicates = super().get_search_results(request, queryset, search_term)
        if name := search_term.strip():
            wanted = Q(pk__in=found.values("pk"))
            for model in (AccessToken, RefreshToken, Grant):
                theirs = model._default_manager.filter(**{f"{USERNAME}__icontains": name})
                wanted |= Q(pk__in=theirs.values("application"))
            found = queryset.filter(wanted)
        return found, has_duplicates

    def get_fields(self, request: HttpRequest, obj: Client | None = None) -> Any:
        """The fields that apply: some only after the client is saved, one only if it is known by a URL."""
        hidden: set[str] = set()
        if obj is None:
            hidden.update(self.readonly_fields)
        elif obj.registration_source != Client.RegistrationSource.CIMD:
            hidden.add("cimd_expires_at")
        return [field for field in self.fields if field not in hidden]

    def get_readonly_fields(self, request: HttpRequest, obj: Client | None = None) -> Any:
        """The id cannot be changed: clients would not learn of the new one."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "client_id")

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        if secret := obj.save_with_secret():
            self.message_user(request, f"The secret of {obj}, which will not be shown again: {secret}")

    @admin.display(description="name", ordering="name")
    def shown_name(self, client: Client) -> str:
        return str(client)

    @admin.display(description="live tokens", ordering="live_token_count")
    def live_tokens(self, client: Any) -> int:
        return getattr(client, "live_token_count", 0)

    @admin.display(description="last used (to the hour)", ordering="last_used")
    def used_at(self, client: Client) -> str:
        """Written at most once an hour: see `LAST_USE_RESOLUTION`."""
        return display_for_value(client.last_used, "never")

    @admin.display(description="expires")
    def expires_at(self, client: Client) -> str:
        """Formatted like the other dates: the admin shows what a method returns unchanged."""
        return display_for_value(client.expires if client.pk else None, "never")

    def offers(self, action: str, row: Client) -> bool:
        return {"disable": row.is_enabled, "enable": not row.is_enabled}.get(action, True)

    def lost(self, clients: list[Client]) -> list[str]:
        """What clients lose with their access, for users to read."""
        return [revoked(live_tokens(application__in=clients), "user")]

    @button("Revoke all access…")
    @admin.action(description="Revoke all access of the selected clients…", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        clients = list(queryset)
        number = counted(len(clients), "client")
        question = Question(
            f"Revoke all access of {number}?",
            lambda: [*self.lost(clients), "To get access again, a client has to ask its users."],
            "Revoke",
        )
        if page := self.ask(request, clients, "revoke", question):
            return page
        self.each(request, clients, lambda client: end_access(application=client), "Access revoked.")
        self.message_user(request, f"All access of {number} has been revoked.")
        return None

    @button("Disable…")
    @admin.action(description="Disable the selected clients…", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        clients = list(queryset)
        number = counted(len(clients), "client")
        question = Question(
            f"Disable {number}?",
            lambda: [
                *self.lost(clients),
                "A disabled client can neither connect nor change its registration. Enabling it again does "
                "not restore its access: it has to ask its users.",
            ],
            "Disable",
        )
        if page := self.ask(request, clients, "disable", question):
            return page
        disabled = self.each(request, clients, Client.disable, "Disabled.")
        self.message_user(request, f"{counted(disabled, 'client')} disabled, and all access revoked.")
        return None

    @button("Enable")
    @admin.action(description="Enable the selected clients", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        enabled = self.each(request, queryset, Client.enable, "Enabled.")
        self.message_user(request, f"{counted(enabled, 'client')} enabled.")


class GrantAdmin(_ReadOnlyAdmin):
    list_display = ("__str__", "user", "client", "scope", "created", "expires", "used")
    fields = ("user", "client", "scope", "resource", "redirect_uri", "created", "expires", "used", "family")
    readonly_fields = ("client",)


class AccessTokenAdmin(_ReadOnlyAdmin):
    list_display = ("masked", "user", "client", "scope", "created", "expires")
    list_filter = ("expires",)
    fields = ("masked", "user", "client", "scope", "resource", "created", "expires", "family")
    readonly_fields = ("masked", "client")


class RefreshTokenAdmin(_ReadOnlyAdmin):
    list_display = ("masked", "user", "client", "scope", "expires", "superseded", "revoked")
    list_filter = ("revoked", "expires")
    fields = (
        "masked",
        "user",
        "client",
        "scope",
        "resource",
        "created",
        "expires",
        "superseded",
        "revoked",
        "token_family",
    )
    readonly_fields = ("masked", "client")


class IDTokenAdmin(_ReadOnlyAdmin):
    """Hidden: there are no ID tokens, since there is no OpenID Connect here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


def _family(row: Grant | AccessToken | RefreshToken) -> uuid.UUID | None:
    return row.token_family if isinstance(row, RefreshToken) else row.family
