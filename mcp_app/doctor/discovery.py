"""Checks of what a client reads before it has a token: the challenge and the two metadata documents."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from mcp_app.doctor.findings import Finding, Findings, Reply
from mcp_app.hosts import is_loopback

CHALLENGE = "challenge"
RESOURCE = "resource metadata"
SERVER = "server metadata"

_DISCOVERY = "MCP 2025-11-25 Authorization, Protected Resource Metadata Discovery Requirements; RFC 9728 §5.1"
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


def challenge_of(reply: Reply) -> dict[str, str] | None:
    """The parameters of the Bearer challenge; None when there is none."""
    header = reply.headers.get("www-authenticate", "")
    match = re.search(r"(?:^|[\s,])bearer(?:\s|$)", header, re.IGNORECASE)
    if match is None:
        return None
    pairs = _PARAMETER.findall(header[match.end() :])
    return {name.lower(): quoted or plain for name, quoted, plain in pairs}


def metadata_places(mcp_url: str) -> list[str]:
    """The possible URLs of the resource's metadata: with its path, and at the root (RFC 9728 §3.1)."""
    url = urlsplit(mcp_url)
    root = f"{url.scheme}://{url.netloc}/.well-known/oauth-protected-resource"
    path = url.path.rstrip("/")
    return [f"{root}{path}", root] if path else [root]


def challenge(reply: Reply) -> list[Finding]:
    """The response to a POST without a token, which must tell a client how to continue."""
    found = Findings(CHALLENGE)
    if reply.status in (301, 302, 303, 307, 308):
        found.fault(
            f"The endpoint redirects to {reply.headers.get('location', 'nowhere')}. Clients lose the body "
            "or the token on the way; serve both spellings, with and without the slash.",
            "MCP 2025-11-25 Transports, Sending Messages to the Server",
        )
    elif 200 <= reply.status < 300:
        found.warning(
            "The server answers without a token. That is allowed, but the server is not protected.",
            "MCP 2025-11-25 Authorization, Protocol Requirements: authorization is OPTIONAL",
        )
    elif reply.status != 401:
        found.fault(
            f"Without a token, the response is {reply.status}; only 401 makes a client sign in."
            + (f" It says: {reply.sentence}" if reply.sentence else ""),
            "MCP 2025-11-25 Authorization, Error Handling; RFC 6750 §3.1",
        )
    else:
        _challenge_header(found, challenge_of(reply), reply.url)
    return found.ok("401 with a Bearer challenge that names the metadata and the scope.")


def _challenge_header(found: Findings, parameters: dict[str, str] | None, mcp_url: str) -> None:
    if parameters is None:
        found.fault(
            "The 401 has no WWW-Authenticate: Bearer header, so a client must guess what to do.",
            "RFC 6750 §3; " + _DISCOVERY,
        )
        return
    metadata = parameters.get("resource_metadata")
    if not metadata:
        found.warning(
            "The challenge does not say where the metadata is (resource_metadata); clients try two places.",
            _DISCOVERY,
        )
    elif not is_secure(metadata, mcp_url):
        found.fault(f"resource_metadata is {metadata}, which is not an https URL.", "RFC 9728 §3")
    if "scope" not in parameters:
        found.warning(
            "The challenge names no scope; clients request all that the metadata lists.",
            "MCP 2025-11-25 Authorization, Protected Resource Metadata Discovery Requirements (SHOULD)",
        )
    elif "offline_access" in parameters["scope"].split():
        found.warning(
            "The challenge names offline_access, which only concerns client and authorization server.",
            "MCP 2026-07-28 Authorization, Refresh Tokens",
        )


def resource_metadata(reply: Reply, mcp_url: str) -> list[Finding]:
    """One copy of the resource's metadata."""
    found = Findings(RESOURCE)
    document = _document(found, reply, "RFC 9728 §3.2")
    if document is None:
        return found.all
    resource = document.get("resource")
    if resource == mcp_url:
        pass
    elif isinstance(resource, str) and resource.rstrip("/").lower() == mcp_url.rstrip("/").lower():
        found.warning(
            f"resource is {resource}, but the endpoint is {mcp_url}: strict clients compare them exactly.",
            "RFC 9728 §3.3",
        )
    else:
        found.fault(
            f"resource is {resource!r}, but the endpoint is {mcp_url}. Clients reject such metadata, and "
            "tokens would be issued for another address. Behind a proxy, set the public URL (BASE_URI).",
            "RFC 9728 §3.3; RFC 8707 §2",
        )
    servers = document.get("authorization_servers")
    if not isinstance(servers, list) or not servers or not all(isinstance(one, str) for one in servers):
        found.fault(
            "authorization_servers names no server to get a token from.",
            "MCP 2025-11-25 Authorization, Authorization Server Location (MUST)",
        )
    elif insecure := [one for one in servers if not is_secure(one, mcp_url)]:
        found.fault(
            f"authorization_servers contains {insecure[0]}, which is not an https URL.", "RFC 8414 §2"
        )
    methods = document.get("bearer_methods_supported", ["header"])
    if not isinstance(methods, list) or "header" not in methods:
        found.fault(
            "bearer_methods_supported lacks header, the only method in MCP.",
            "MCP 2025-11-25 Authorization, Token Requirements",
        )
    if "offline_access" in _list(document, "scopes_supported"):
        found.warning(
            "scopes_supported lists offline_access, which a resource should not request.",
            "MCP 2026-07-28 Authorization, Refresh Tokens",
        )
    return found.ok(f"Valid at {reply.url}.")


def server_metadata(reply: Reply, issuer: str) -> list[Finding]:
    """The metadata of the authorization server."""
    found = Findings(SERVER)
    document = _document(found, reply, "RFC 8414 §3.2")
    if document is None:
        return found.all
    if document.get("issuer") != issuer:
        found.fault(
            f"issuer is {document.get('issuer')!r}, but the resource names {issuer!r}: clients stop here.",
            "RFC 8414 §3.3; MCP 2026-07-28 Authorization, Authorization Server Metadata Discovery",
        )
    for name in ("authorization_endpoint", "token_endpoint"):
        if not is_secure(document.get(name), issuer):
            found.fault(f"{name} is {document.get(name)!r}, which is not an https URL.", "RFC 8414 §2")
    register = document.get("registration_endpoint")
    if register and not is_secure(register, issuer):
        found.fault(f"registration_endpoint is {register!r}, which is not an https URL.", "RFC 8414 §2")
    if "code" not in _list(document, "response_types_supported"):
        found.fault("response_types_supported lacks code.", "RFC 8414 §2; OAuth 2.1 §4.1")
    if "S256" not in _list(document, "code_challenge_methods_supported"):
        found.fault(
            "code_challenge_methods_supported lacks S256; clients MUST then refuse to continue.",
            "MCP 2025-11-25 Authorization, Authorization Code Protection",
        )
    if "none" not in _list(document, "token_endpoint_auth_methods_supported"):
        found.warning(
            "token_endpoint_auth_methods_supported lacks none: desktop clients cannot keep a secret.",
            "OAuth 2.1 §2.1",
        )
    if not document.get("registration_endpoint") and not document.get(
        "client_id_metadata_document_supported"
    ):
        found.warning(
            "Clients can neither register nor identify themselves by a URL; users must enter a client id.",
            "MCP 2025-11-25 Authorization, Client Registration Approaches (SHOULD)",
        )
    if not document.get("authorization_response_iss_parameter_supported"):
        found.warning(
            "Authorization responses do not name the issuer (iss), so mix-up attacks go unnoticed.",
            "MCP 2026-07-28 Authorization; RFC 9207",
        )
    return found.ok("Complete, and its issuer is the one that the resource names.")


def is_secure(url: Any, beside: str | None = None) -> bool:
    """Whether a URL is https, or http on this computer.

    Args:
        url: The URL.
        beside: The examined URL. If that is elsewhere, `url` must not be on this computer.
    """
    origin = origin_of(url)
    if origin is None:
        return False
    scheme, host, _ = origin
    examined = origin if beside is None else origin_of(beside)
    is_local = is_loopback(host) and examined is not None and is_loopback(examined[1])
    return scheme == "https" or (scheme == "http" and is_local)


def origin_of(url: Any) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL; None if it cannot be requested."""
    if not isinstance(url, str) or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _document(found: Findings, reply: Reply, spec: str) -> dict[str, Any] | None:
    """The document in a 200 response; if there is none, the reason becomes a fault."""
    if reply.status != 200:
        found.fault(f"{reply.url} answers {reply.status} instead of 200.", spec)
        return None
    if reply.object is None:
        found.fault(
            f"{reply.url} answers with something that is not a JSON object ({reply.media_type}).", spec
        )
        return None
    if reply.media_type != "application/json":
        found.warning(f"{reply.url} has the type {reply.media_type!r}, not application/json.", spec)
    return reply.object


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []
