"""`python manage.py register_resource_server`: let the MCP server in separate mode introspect tokens."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from everything_site import env
from mcp_app.conf import conf
from oauth_app.clients import resource_servers


class Command(BaseCommand):
    help = (
        "Make, or renew, the client with which the MCP server asks the authorization server about tokens: "
        "INTROSPECTION_CLIENT_ID and INTROSPECTION_CLIENT_SECRET. To be run at the authorization server, "
        "after migrate. Only a checksum of the secret is kept."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if fault := env.auth_server_fault(settings.ENV):
            raise CommandError(fault)
        try:
            client = resource_servers.ensure(*conf.introspection_credentials)
        except resource_servers.Refused as error:
            raise CommandError(str(error)) from error
        if options["verbosity"]:
            self.stdout.write(
                f"{client.client_id} may introspect tokens at {settings.AUTH_SERVER_URL}/introspect."
            )
