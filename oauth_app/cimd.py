"""Clients known by the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document).

The toolkit fetches, guards and keeps the documents. Here: who may cause a fetch, and what the
documents of real clients need before the toolkit accepts them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.encoding import iri_to_uri
from oauth2_provider.cimd import CIMDError, SafeMetadataFetcher
from oauth2_provider.settings import oauth2_settings

from oauth_app import client_metadata
from oauth_app.client_metadata import MetadataError
from oauth_app.models import Client
from oauth_app.secrets import checksum
from oauth_app.timeouts import Busy, TimeoutRunner

log = logging.getLogger("oauth_app")

MAX_FETCHES = 16

Fetch = Callable[[str], tuple[dict[str, Any], int]]
_LONGEST_SHOWN = 300
_OF_THE_ANSWER = ("client_id document ", "client_id URL ")


class DocumentError(CIMDError):
    """A document that cannot be used; the message may be shown to the person who signs in."""


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

    _runner = TimeoutRunner(threads=MAX_FETCHES)

    @classmethod
    def is_busy(cls) -> bool:
        return cls._runner.is_full

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """The document at the URL, and for how many seconds it may be kept.

        Raises:
            CIMDError: It cannot be read or accepted; `why_unknown` knows the reason until it is tried again.
        """
        try:
            return self._fetch(client_id, super().fetch)
        except CIMDError as error:
            log.warning(
                "client metadata document rejected",
                extra={"client": client_id[:255], "reason": str(error)[:500]},
            )
            cache.set(_failure_key(client_id), _shown(error), oauth2_settings.CIMD_FAILURE_BACKOFF_SECONDS)
            raise

    def _fetch(self, client_id: str, fetch: Fetch) -> tuple[dict[str, Any], int]:
        seconds = oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS
        try:
            document, max_age = self._runner.run(fetch, client_id, timeout=seconds)
        except TimeoutError:
            raise DocumentError("it did not arrive in time") from None
        except Busy:
            raise DocumentError("too many documents are being fetched") from None
        except RecursionError:
            raise DocumentError("it is nested too deeply") from None
        except UnicodeError:
            raise DocumentError("its host is not a name") from None
        if document.get("client_id") != client_id:
            raise DocumentError("its client_id is not the URL at which it is")
        return normalised(document), max_age


def why_unknown(client_id: str) -> str:
    """Why a client that presents itself by a URL is not let in, in words for the person who signs in."""
    url = iri_to_uri(client_id)[:_LONGEST_SHOWN]
    if Client.objects.filter(client_id=client_id).exists():
        return f"The application at {url} is disabled here."
    if not oauth2_settings.CIMD_ENABLED:
        return (
            f"The application presents itself by a URL, {url}, and this server does not read such documents. "
            "Disconnect it from this server and connect it again: it can register itself instead."
        )
    failure = cache.get(_failure_key(client_id))
    if failure is None:
        return f"The application presents itself by a URL, {url}, which this server has not read. Try again."
    return (
        "The application presents itself by a URL, and this server could not read the document there: "
        f"{url}: {failure}. Connecting again does not help until that has changed. Whoever runs this server "
        "can let it reach that address, or set CLIENT_ID_METADATA_DOCUMENTS=false, so that applications "
        "register themselves instead."
    )


def _failure_key(client_id: str) -> str:
    return f"oauth_app:cimd:failure:{checksum(client_id)}"


def _shown(error: CIMDError) -> str:
    """The reason without what the network here looks like: which names resolve, and to which addresses.

    What the toolkit says of an answer is shown: answers come from public addresses only. The log has it all.
    """
    text = str(error)
    if isinstance(error, DocumentError):
        return text
    if text.startswith(_OF_THE_ANSWER):
        return f"the {text}"
    return "its host has no public address that this server can reach, or does not answer there"


def normalised(document: dict[str, Any]) -> dict[str, Any]:
    """What this server needs of a document, checked by the rules of a registration.

    Raises:
        DocumentError: It cannot be accepted.
    """
    method = document.get("token_endpoint_auth_method")
    if method is None or (isinstance(method, str) and method in KEY_METHODS):
        method = "none"
    if method != "none":
        raise DocumentError("a metadata document cannot share a secret")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise DocumentError("a metadata document must not hold a secret")
    try:
        metadata = client_metadata.read(document | {"token_endpoint_auth_method": method})
    except MetadataError as error:
        raise DocumentError(error.description.removesuffix(".")) from error
    if not metadata.name:
        raise DocumentError("client_name is required")
    return {
        "client_id": document.get("client_id"),
        "client_name": metadata.name,
        "redirect_uris": metadata.redirect_uris,
        "grant_types": client_metadata.GRANT_TYPES,
        "token_endpoint_auth_method": "none",
    }
