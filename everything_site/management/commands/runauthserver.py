"""`python manage.py runauthserver`: the authorization server of separate mode, for development."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command

from everything_site import env
from everything_site.management.commands.runserver import Command as Runserver


class Command(Runserver):
    help = (
        "Serve the authorization server of separate mode for development, on AUTH_SERVER_PORT: OAuth, "
        "sign-in and admin, no MCP. Applies migrations, and registers the MCP server for introspection."
    )
    default_port = str(settings.AUTH_SERVER_PORT)
    port_variable = "AUTH_SERVER_PORT"
    own_port = settings.AUTH_SERVER_PORT
    own_url = settings.AUTH_SERVER_URL
    url_variable = "AUTH_SERVER_URL"
    has_auth_server = False

    def handle(self, *args: Any, **options: Any) -> None:
        if fault := env.auth_server_fault(settings.ENV):
            raise CommandError(fault)
        super().handle(*args, **options)

    def follow_argument(self) -> None:
        raise CommandError("Set AUTH_SERVER_PORT instead: the MCP server has to know the port as well.")

    def prepare(self) -> None:
        call_command("register_resource_server", verbosity=0)

    def get_application(self, options: dict[str, Any]) -> Any:
        from everything_site import auth_asgi

        return auth_asgi.application

    def places(self, password: str | None) -> list[tuple[str, str]]:
        base = settings.AUTH_SERVER_URL
        return [
            ("Authorization", f"{base}/"),
            ("Admin", f"{base}/admin/   ({self.credentials(password)})"),
            ("Serves", settings.MCP_RESOURCE_URL),
        ]
