"""Access tokens without a client and a browser: for tests, and for commands of a project."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone
from oauth2_provider.models import set_token_value

from oauth_app.conf import conf
from oauth_app.models import AccessToken, Client
from oauth_app.scopes import scopes
from oauth_app.secrets import new_secret

CLIENT_NAME = "Issued by a command"


def issue_access_token(user: Any) -> str:
    """An access token for a user, as `/token` issues it, with all scopes and without a refresh token.

    It belongs to a client of its own, which the admin lists, and lasts for OAUTH_ACCESS_SECONDS.

    Args:
        user: Who is meant to have agreed.
    """
    client = Client(
        name=CLIENT_NAME,
        client_type=Client.CLIENT_PUBLIC,
        authorization_grant_type=Client.GRANT_AUTHORIZATION_CODE,
        redirect_uris="http://127.0.0.1/callback",
        client_secret="",
        last_used=timezone.now(),
    )
    client.save()
    value = new_secret()
    token = AccessToken(
        user=user,
        application=client,
        scope=" ".join(scopes()),
        expires=timezone.now() + timedelta(seconds=conf.access_seconds),
        resource=[conf.resource_url],
        family=uuid.uuid4(),
    )
    set_token_value(token, value)
    token.save()
    return value
