"""The scopes: which there are, what the consent page says of them, and which every token has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oauth2_provider.scopes import BaseScopes

from oauth_app.conf import conf

PROTOCOL_SCOPE = "mcp"
"""The scope that every request needs, and so every token has."""

_FIRST = {PROTOCOL_SCOPE: "Use the tools, resources and prompts of this server on your behalf"}
_LAST = {"offline_access": "Stay connected while you are away"}


def scopes() -> dict[str, str]:
    """All scopes that can be granted, with their descriptions: those of OAUTH_SCOPES, and two more."""
    return {
        **_FIRST,
        **conf.scopes,
        **{name: text for name, text in _LAST.items() if name not in conf.scopes},
    }


def completed(asked: Iterable[str]) -> list[str]:
    """The requested scopes without duplicates, and the one that every request needs.

    Without that one a token would be useless. Extra spaces are accepted: some clients join an empty list with
    others. RFC 6749 §3.3 allows the server to change the scope, since the response tells the client.
    """
    named = dict.fromkeys(" ".join(asked).split())
    return list(named) if PROTOCOL_SCOPE in named else [PROTOCOL_SCOPE, *named]


class Scopes(BaseScopes):
    """The scopes, as django-oauth-toolkit asks for them (its setting `SCOPES_BACKEND_CLASS`)."""

    def get_all_scopes(self) -> dict[str, str]:
        return scopes()

    def get_available_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return list(scopes())

    def get_default_scopes(self, *args: Any, **kwargs: Any) -> list[str]:
        return [PROTOCOL_SCOPE]
