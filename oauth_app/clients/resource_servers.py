"""Resource servers: clients that may introspect tokens."""

from __future__ import annotations

from oauth_app.models import Client
from oauth_app.secrets import checksum

MIN_SECRET_LENGTH = 32


class Refused(Exception):
    """The client cannot become a resource server; the message says why."""


def ensure(client_id: str, secret: str) -> Client:
    """Get or create the resource server with this id, and set its secret.

    Raises:
        Refused: The secret is too short, or the id belongs to a client of another kind.
    """
    if len(secret) < MIN_SECRET_LENGTH:
        raise Refused(f"The secret of a resource server needs at least {MIN_SECRET_LENGTH} characters.")
    client, _ = Client.objects.get_or_create(client_id=client_id, defaults={"name": "MCP server"})
    if client.registration_source != Client.RegistrationSource.MANUAL or client.redirect_uris:
        raise Refused(f"{client_id} is a client of another kind; choose another INTROSPECTION_CLIENT_ID.")
    before = (client.is_resource_server, client.client_secret)
    client.client_type = Client.CLIENT_CONFIDENTIAL
    client.auth_method = Client.AuthMethod.BASIC
    client.client_secret = checksum(secret)
    client.is_resource_server = True
    if before != (True, client.client_secret):
        client.save()
    if not client.is_enabled:
        client.enable()
    return client
