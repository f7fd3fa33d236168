"""Clients known by the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document).

The toolkit fetches, guards and keeps the documents. Here: who may cause a fetch, and what the
documents of real clients need before the toolkit accepts them.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from oauth2_provider.cimd import CIMDError, SafeMetadataFetcher
from oauth2_provider.settings import oauth2_settings

from oauth_app import client_metadata
from oauth_app.client_metadata import MetadataError
from oauth_app.deadlines import Busy, Deadline

MAX_FETCHES = 16

# Methods of keys and certificates. PKCE and the redirect URI bind such a client like any public one.
KEY_METHODS = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})


class SignedInPermission:
    """Only a signed-in person's visit to /authorize may make this server fetch a stranger's URL.

    That view asks with Django's request. All the other endpoints resolve clients with oauthlib's,
    which stands for no person.
    """

    def has_permission(self, request: Any, client_id: str) -> bool:
        return isinstance(request, HttpRequest) and request.user.is_authenticated


class FreePlacePermission:
    """With all places taken no fetch is begun: its failure would count against a URL that may be fine."""

    def has_permission(self, request: Any, client_id: str) -> bool:
        return not NormalisingFetcher.is_busy()


class NormalisingFetcher(SafeMetadataFetcher):
    """Accepts the documents of VS Code (many grants) and ChatGPT (private_key_jwt).

    The toolkit's time-out is for each read: a server that sends a byte now and then would hold a worker
    for as long as it likes. Here the whole fetch has an end.
    """

    _deadline = Deadline(places=MAX_FETCHES)

    @classmethod
    def is_busy(cls) -> bool:
        return cls._deadline.is_full

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        seconds = oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS
        try:
            document, max_age = self._deadline.run(super().fetch, client_id, seconds=seconds)
        except TimeoutError:
            raise CIMDError("the client_id document did not arrive in time") from None
        except Busy:
            raise CIMDError("too many client_id documents are being fetched") from None
        except RecursionError:
            raise CIMDError("the client_id document is nested too deeply") from None
        return normalised(document), max_age


def normalised(document: dict[str, Any]) -> dict[str, Any]:
    """What this server needs of a document, checked by the rules of a registration.

    Raises:
        CIMDError: It cannot be accepted.
    """
    method = document.get("token_endpoint_auth_method")
    if method is None or (isinstance(method, str) and method in KEY_METHODS):
        method = "none"
    if method != "none":
        raise CIMDError("a metadata document cannot share a secret")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise CIMDError("a metadata document must not hold a secret")
    try:
        metadata = client_metadata.read(document | {"token_endpoint_auth_method": method})
    except MetadataError as error:
        raise CIMDError(error.description) from error
    if not metadata.name:
        raise CIMDError("client_name is required")
    return {
        "client_id": document.get("client_id"),
        "client_name": metadata.name,
        "redirect_uris": metadata.redirect_uris,
        "grant_types": client_metadata.GRANT_TYPES,
        "token_endpoint_auth_method": "none",
    }
