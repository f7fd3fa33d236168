"""Clients known by the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document).

The toolkit fetches and caches the documents, safe from SSRF. This module decides who may cause a fetch, and
adapts the documents of real clients so that the toolkit accepts them.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.encoding import iri_to_uri
from oauth2_provider.cimd import CIMDError, SafeMetadataFetcher, is_cimd_client_id
from oauth2_provider.settings import oauth2_settings

from oauth_app.clients import metadata as client_metadata
from oauth_app.clients.metadata import MetadataError
from oauth_app.http.public_addresses import is_public
from oauth_app.http.timeouts import Busy, TimeoutRunner
from oauth_app.models import Client
from oauth_app.secrets import checksum

log = logging.getLogger("oauth_app")

MAX_FETCHES = 16

Fetch = Callable[[str], tuple[dict[str, Any], int]]
_MAX_SHOWN_LENGTH = 300
_ABOUT_THE_RESPONSE = ("client_id document ", "client_id URL ")


class DocumentError(CIMDError):
    """A document that cannot be used; its message may be shown to the user."""


# Authentication by keys or certificates. Such clients are treated as public ones, protected by PKCE.
KEY_METHODS = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})


class SignedInPermission:
    """Only signed-in users may make this server fetch a URL that anybody can choose, and only at /authorize.

    That view passes Django's request. The other endpoints resolve clients with oauthlib's request, which
    has no user.
    """

    def has_permission(self, request: Any, client_id: str) -> bool:
        return isinstance(request, HttpRequest) and request.user.is_authenticated


class CapacityPermission:
    """Starts no fetch while too many are running: the failure would be remembered for this URL."""

    def has_permission(self, request: Any, client_id: str) -> bool:
        return not NormalisingFetcher.is_busy()


class NormalisingFetcher(SafeMetadataFetcher):
    """Accepts the documents of VS Code (many grant types) and ChatGPT (private_key_jwt), and limits the time.

    The toolkit does not bound DNS and slow responses together: a server that sends a byte now and then could
    block a worker. Here the whole fetch has a time-out. And what the toolkit takes for a public address
    depends on the version of Python, so the addresses are checked here first. The toolkit resolves the name
    again, and connects to the addresses that it checked itself.
    """

    _runner = TimeoutRunner(threads=MAX_FETCHES)

    @classmethod
    def is_busy(cls) -> bool:
        return cls._runner.is_full

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """The document at the URL, and for how many seconds it may be cached.

        Raises:
            CIMDError: It cannot be fetched or accepted. `why_unknown` explains it until the next attempt.
        """
        try:
            return self._fetch(client_id, self._fetch_from_public_address)
        except CIMDError as error:
            log.warning(
                "client metadata document rejected",
                extra={"client": client_id[:255], "reason": str(error)[:500]},
            )
            cache.set(_failure_key(client_id), _shown(error), oauth2_settings.CIMD_FAILURE_BACKOFF_SECONDS)
            raise

    def _fetch_from_public_address(self, client_id: str) -> tuple[dict[str, Any], int]:
        refuse_other_addresses(client_id)
        return super().fetch(client_id)

    def _fetch(self, client_id: str, fetch: Fetch) -> tuple[dict[str, Any], int]:
        seconds = oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS
        if not client_id.isascii():
            raise DocumentError("it is not written as a URL: letters beyond ASCII must be encoded")
        try:
            document, max_age = self._runner.run(fetch, client_id, timeout=seconds)
        except TimeoutError:
            raise DocumentError("it was not received in time") from None
        except Busy:
            raise DocumentError("too many documents are being fetched") from None
        except RecursionError:
            raise DocumentError("it is nested too deeply") from None
        except ValueError:  # including that of an encoding
            raise DocumentError("its host name is invalid") from None
        if document.get("client_id") != client_id:
            raise DocumentError("its client_id is not its own URL")
        return normalised(document), max_age


def published_at(client_id: str) -> str:
    """The host at which a client known by a URL is published; empty for any other client id."""
    try:
        return urlsplit(client_id).netloc.rpartition("@")[2] if is_cimd_client_id(client_id) else ""
    except ValueError:
        return ""


def refuse_other_addresses(url: str) -> None:
    """Raise CIMDError if the host of a URL has an address that is not public."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, proto=socket.IPPROTO_TCP)
    except OSError as error:
        raise CIMDError(f"could not resolve client_id host: {error}") from error
    for *_, place in found:
        if not is_public(str(place[0])):
            raise CIMDError(f"client_id host resolves to a non-public address ({place[0]})")


def why_unknown(client_id: str) -> str:
    """Why a client that identifies itself by a URL is rejected, explained to the user who signs in."""
    url = iri_to_uri(client_id)[:_MAX_SHOWN_LENGTH]
    if Client.objects.filter(client_id=client_id).exists():
        return f"The app at {url} is disabled here."
    if not oauth2_settings.CIMD_ENABLED:
        return (
            f"The app identifies itself by a URL, {url}, which is not supported by this server. "
            "Disconnect it from this server and connect it again: it can register itself instead."
        )
    failure = cache.get(_failure_key(client_id))
    if failure is None:
        return f"The app identifies itself by a URL, {url}, which has not been fetched yet. Try again."
    return (
        "The app identifies itself by a URL, and this server could not read the document there: "
        f"{url}: {failure}. Connecting again does not help until that has changed. Whoever runs this server "
        "can let it reach that address, or write project_settings(url, CIMD_ENABLED=False) in its settings "
        "(for Everything Server, set the variable CLIENT_ID_METADATA_DOCUMENTS=false), so that apps register "
        "themselves instead."
    )


def _failure_key(client_id: str) -> str:
    return f"oauth_app:cimd:failure:{checksum(client_id)}"


def _shown(error: CIMDError) -> str:
    """The reason, without details of the network: which names resolve, and to which addresses.

    Only what the toolkit says about a response is shown, since responses come from public addresses. Should
    its wording change, the generic sentence is shown. The log has the full message.
    """
    text = str(error)
    if isinstance(error, DocumentError):
        return text
    if text.startswith(_ABOUT_THE_RESPONSE):
        return f"the {text}"
    return "its host has no public address that this server can reach, or does not answer there"


def normalised(document: dict[str, Any]) -> dict[str, Any]:
    """The members of a document that this server uses, validated like a registration.

    Raises:
        DocumentError: The document cannot be accepted.
    """
    method = document.get("token_endpoint_auth_method")
    if method is None or (isinstance(method, str) and method in KEY_METHODS):
        method = "none"
    if method != "none":
        raise DocumentError("token_endpoint_auth_method must be none: a public document cannot hold a secret")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise DocumentError("it must not contain a client secret")
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
