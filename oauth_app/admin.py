"""The admin of clients, consents and tokens."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize

from oauth_app.models import AccessToken, Client, Grant, RefreshToken, end_access, end_families


class _ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Created by the OAuth flows only. Revoked rather than deleted, so that reuse can be detected."""

    list_select_related = ("user", "application")
    search_fields = ("user__username", "application__name", "application__client_id")
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
        if match is None or match.view_name.startswith(f"admin:{own_pages}"):
            return False
        return super().has_delete_permission(request, obj)

    @admin.action(
        description="Revoke, with everything else that came from the same consent", permissions=["revoke"]
    )
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        families: list[uuid.UUID | None] = [_family(row) for row in queryset]
        end_families(families)
        self.message_user(request, f"Revoked everything that came from {len(set(families))} consents.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"oauth_app.delete_{self.opts.model_name}")

    @admin.display(description="checksum")
    def masked(self, row: AccessToken | RefreshToken) -> str:
        return f"{row.token_checksum[:8]}…"


class ClientAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "display_name",
        "registration_source",
        "client_type",
        "is_enabled",
        "live_tokens",
        "last_used",
        "created",
        "expires_at",
    )
    list_filter = ("registration_source", "client_type", "is_enabled", "is_resource_server", "created")
    search_fields = ("name", "client_id", "redirect_uris")
    date_hierarchy = "created"
    actions = ("withdraw_access", "disable")
    fields = (
        "name",
        "client_id",
        "is_enabled",
        "redirect_uris",
        "application_type",
        "client_type",
        "auth_method",
        "is_resource_server",
        "registration_source",
        "cimd_expires_at",
        "created",
        "last_used",
        "expires_at",
        "live_tokens",
    )
    readonly_fields = (
        "registration_source",
        "cimd_expires_at",
        "created",
        "last_used",
        "expires_at",
        "live_tokens",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        live = Q(accesstoken__expires__gt=timezone.now())
        return super().get_queryset(request).annotate(live_token_count=Count("accesstoken", filter=live))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A form that was opened before the client was disabled must not enable it again."""
        if db_field.name == "is_enabled":
            kwargs["show_hidden_initial"] = True
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        """Give a confidential client a secret if it has none; it is shown only once."""
        secret = None
        if not obj.is_public and not obj.client_secret:
            secret = obj.new_client_secret()
        super().save_model(request, obj, form, change)
        if change and "is_enabled" in form.changed_data:
            (obj.enable if obj.is_enabled else obj.disable)()
        if secret:
            self.message_user(request, f"The secret of {obj}, which will not be shown again: {secret}")

    @admin.display(description="live tokens", ordering="live_token_count")
    def live_tokens(self, client: Any) -> int:
        return getattr(client, "live_token_count", 0)

    @admin.display(description="expires")
    def expires_at(self, client: Client) -> str:
        """Formatted like the other dates: the admin shows what a method returns unchanged."""
        expires = client.expires if client.pk else None
        return "never" if expires is None else localize(timezone.localtime(expires))

    @admin.action(description="Revoke all access of the selected clients", permissions=["change"])
    def withdraw_access(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        for client in queryset:
            end_access(application=client)
        self.message_user(request, "The access of the selected clients has been revoked.")

    @admin.action(description="Disable the selected clients", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        for client in queryset:
            client.disable()
        self.message_user(request, "The clients have been disabled, and their access revoked.")


class GrantAdmin(_ReadOnlyAdmin):
    list_display = ("__str__", "user", "application", "scope", "created", "expires", "used")
    fields = (
        "user",
        "application",
        "scope",
        "resource",
        "redirect_uri",
        "created",
        "expires",
        "used",
        "family",
    )


class AccessTokenAdmin(_ReadOnlyAdmin):
    list_display = ("masked", "user", "application", "scope", "created", "expires")
    list_filter = ("expires",)
    fields = ("masked", "user", "application", "scope", "resource", "created", "expires", "family")
    readonly_fields = ("masked",)


class RefreshTokenAdmin(_ReadOnlyAdmin):
    list_display = ("masked", "user", "application", "scope", "created", "expires", "superseded", "revoked")
    list_filter = ("revoked", "expires")
    fields = (
        "masked",
        "user",
        "application",
        "scope",
        "resource",
        "created",
        "expires",
        "superseded",
        "revoked",
        "token_family",
    )
    readonly_fields = ("masked",)


class IDTokenAdmin(_ReadOnlyAdmin):
    """Hidden: there are no ID tokens, since there is no OpenID Connect here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


def _family(row: Grant | AccessToken | RefreshToken) -> uuid.UUID | None:
    return row.token_family if isinstance(row, RefreshToken) else row.family
