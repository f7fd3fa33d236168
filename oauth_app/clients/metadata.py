"""Validates client metadata, of a registration (RFC 7591) or of a metadata document (CIMD).

Unsupported grant types, response types and scopes are ignored, as RFC 7591 §2 allows and real clients expect.
Any other invalid value is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from oauth_app import redirects
from oauth_app.conf import conf
from oauth_app.display_names import sanitized
from oauth_app.models import Client

GRANT_TYPES = ["authorization_code", "refresh_token"]
RESPONSE_TYPES = ["code"]


class MetadataError(Exception):
    """Invalid metadata; `code` is the error code of RFC 7591 §3.2.2."""

    def __init__(self, description: str, code: str = "invalid_client_metadata") -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class ClientMetadata:
    name: str
    redirect_uris: list[str]
    auth_method: str
    application_type: str

    def apply(self, client: Client) -> None:
        """Set the fields of the client; omitted metadata is reset to its default (RFC 7592 §2.2)."""
        client.name = self.name
        client.redirect_uris = " ".join(self.redirect_uris)
        client.auth_method = self.auth_method
        client.application_type = self.application_type
        client.client_type = (
            Client.CLIENT_PUBLIC if self.auth_method == Client.AuthMethod.NONE else Client.CLIENT_CONFIDENTIAL
        )
        client.authorization_grant_type = Client.GRANT_AUTHORIZATION_CODE


def read(document: Any) -> ClientMetadata:
    """The validated metadata of a registration request.

    Raises:
        MetadataError: The metadata is invalid.
    """
    if not isinstance(document, dict):
        raise MetadataError("The request must be a JSON object.")
    redirect_uris = _redirect_uris(document)
    grant_types = _strings(document, "grant_types", ["authorization_code"])
    if "authorization_code" not in grant_types:
        raise MetadataError(
            "grant_types must contain authorization_code, the only grant that gives a first token here."
        )
    response_types = _strings(document, "response_types", RESPONSE_TYPES)
    if "code" not in response_types:
        raise MetadataError("response_types must contain code.")
    _string(document, "scope", "")  # every client may request any scope, so it is not stored
    method = _string(document, "token_endpoint_auth_method", Client.AuthMethod.BASIC)
    if method not in Client.AuthMethod.values:
        raise MetadataError(
            f"token_endpoint_auth_method must be one of: {', '.join(Client.AuthMethod.values)}."
        )
    return ClientMetadata(
        name=sanitized(_string(document, "client_name", "")),
        redirect_uris=redirect_uris,
        auth_method=method,
        application_type=_application_type(document, redirect_uris),
    )


def _redirect_uris(document: dict[str, Any]) -> list[str]:
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
        raise MetadataError("redirect_uris must be a list of at least one URI.", "invalid_redirect_uri")
    unique = list(dict.fromkeys(uris))
    if len(unique) > conf.max_redirect_uris:
        raise MetadataError(
            f"redirect_uris must not have more than {conf.max_redirect_uris} URIs.", "invalid_redirect_uri"
        )
    for uri in unique:
        if fault := redirects.fault(uri, conf.custom_schemes):
            raise MetadataError(f"{_shortened(uri)} {fault}.", "invalid_redirect_uri")
    return unique


def _application_type(document: dict[str, Any], redirect_uris: list[str]) -> str:
    """As given, or else inferred from the redirect URIs."""
    native = any(urlsplit(uri).scheme != "https" for uri in redirect_uris)
    given = _string(document, "application_type", Client.Kind.NATIVE if native else Client.Kind.WEB)
    if given not in Client.Kind.values:
        raise MetadataError("application_type must be web or native.")
    return given


def _string(document: dict[str, Any], name: str, default: str) -> str:
    """A member that must be a string; null counts as absent."""
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise MetadataError(f"{name} must be a string.")
    return value


def _strings(document: dict[str, Any], name: str, default: list[str]) -> list[str]:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MetadataError(f"{name} must be a list of strings.")
    return value


def _shortened(uri: str) -> str:
    return sanitized(redirects.without_query(uri)) or "A redirect URI"
