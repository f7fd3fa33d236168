"""Checks of how a client gets a token, and of how the endpoint handles it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcp_app.doctor.discovery import challenge_of
from mcp_app.doctor.findings import Finding, Findings, Level, Reply

REGISTRATION = "registration"
CLIENT_BY_URL = "client by URL"
AUTHORIZATION = "authorization"
TOKEN = "token"  # noqa: S105 - the name of a step
ENDPOINT = "endpoint"
DISCOVER = "server/discover"
INITIALIZE = "initialize"
TOOLS = "tools/list"
CALL = "tools/call"


def registration(reply: Reply, redirect_uri: str) -> list[Finding]:
    """The response to the registration of a public client (RFC 7591 §3.2.1)."""
    found = Findings(REGISTRATION)
    client = reply.object
    if reply.status not in (200, 201) or client is None or not isinstance(client.get("client_id"), str):
        said = (client or {}).get("error_description") or (client or {}).get("error") or reply.text[:200]
        found.fault(
            f"A public client with a redirect to this computer is rejected ({reply.status}): {said}",
            "RFC 7591 §3.2.1; RFC 8252 §7.3",
        )
        return found.all
    if reply.status != 201:
        found.warning("The status should be 201.", "RFC 7591 §3.2.1")
    if nulls := sorted(name for name, value in client.items() if value is None):
        found.warning(f"{', '.join(nulls)} is null; clients expect a missing member.", "RFC 7591 §3.2.1")
    if client.get("client_secret") and not isinstance(client.get("client_secret_expires_at"), int):
        found.fault("The secret has no client_secret_expires_at.", "RFC 7591 §3.2.1 (REQUIRED)")
    if client.get("client_secret") and client.get("token_endpoint_auth_method") == "none":
        found.warning("A public client gets a secret that it must not use.", "RFC 7591 §2")
    registered = client.get("redirect_uris") or [redirect_uri]
    if not isinstance(registered, list) or redirect_uri not in registered:
        found.fault("The registered redirect_uris are not the requested ones.", "RFC 7591 §3.2.1")
    issued = client.get("client_id_issued_at", 0)
    if not isinstance(issued, int):
        found.warning("client_id_issued_at is not a whole number of seconds.", "RFC 7591 §3.2.1")
    _no_store(found, reply, "RFC 7591 §3.2.1")
    return found.ok("A public client can register.")


def authorization_page(reply: Reply) -> list[Finding]:
    """The response to a valid authorization request without a signed-in user."""
    found = Findings(AUTHORIZATION)
    location = reply.headers.get("location", "")
    if reply.status in (302, 303, 307):
        if "error=" in location:
            found.fault(f"A valid request is rejected: {location}", "RFC 6749 §4.1.1; RFC 8707 §2")
    elif reply.status == 200:
        policy = reply.headers.get("content-security-policy", "")
        if "x-frame-options" not in reply.headers and "frame-ancestors" not in policy:
            found.warning(
                "The page can be framed, so that users click its buttons unknowingly.", "RFC 9700 §4.16"
            )
    else:
        found.fault(
            f"A valid request gets {reply.status}.",
            "RFC 6749 §4.1.1; clients send resource (RFC 8707 §2) and PKCE (RFC 7636 §4.3)",
        )
    return found.ok("The user is asked to sign in.")


def foreign_redirect(reply: Reply, foreign: str, *, asks_consent: bool = False) -> list[Finding]:
    """The response to a request with an unregistered redirect URI.

    Args:
        reply: The response.
        foreign: The redirect URI.
        asks_consent: Whether the page asks the user for consent.
    """
    found = Findings(AUTHORIZATION)
    location = reply.headers.get("location")
    if asks_consent or (location is not None and location.startswith(foreign)):
        found.fault(
            "Users are redirected to an address that the client never registered: codes can be stolen.",
            "MCP 2025-11-25 Authorization, Open Redirection; RFC 9700 §2.1 (MUST)",
        )
    elif location is not None:
        says = "Whether an unregistered address is rejected can be seen only after sign-in; see --as."
        return [Finding(AUTHORIZATION, Level.SKIPPED, says)]
    return found.ok("Nobody is redirected to an unregistered address.")


def client_by_url(reply: Reply, client_id: str, redirect_uri: str) -> list[Finding]:
    """The response to a signed-in user whose client identifies itself by the URL of its metadata document.

    Args:
        reply: The response.
        client_id: The URL of the document.
        redirect_uri: A redirect URI in the document.
    """
    found = Findings(CLIENT_BY_URL)
    location = reply.headers.get("location")
    if location is not None and not location.startswith(redirect_uri):
        says = "Whether the server can read the document can be seen only after sign-in; see --as."
        return [Finding(CLIENT_BY_URL, Level.SKIPPED, says)]
    if reply.status >= 400:
        said = f" {reply.sentence}" if reply.sentence else ""
        found.fault(
            "The metadata offers client_id_metadata_document_supported, and a client identified by "
            f"{client_id} is rejected ({reply.status}).{said} Such a client does not register instead, so it "
            "can never sign in: give the server internet access, or turn this off.",
            "MCP 2025-11-25 Authorization, Client ID Metadata Documents",
        )
    return found.ok("The metadata document of a client can be read.")


def authorization_response(
    parameters: Mapping[str, str], state: str, issuer: str, metadata: Mapping[str, Any]
) -> list[Finding]:
    """The parameters with which the client's callback is called."""
    found = Findings(AUTHORIZATION)
    if "error" in parameters:
        said = parameters.get("error_description", "")
        found.fault(
            f"The user agreed, but the response is {parameters['error']}: {said}", "RFC 6749 §4.1.2.1"
        )
        return found.all
    if "code" not in parameters:
        found.fault("The response has no code.", "RFC 6749 §4.1.2")
    if parameters.get("state") != state:
        found.fault("The response does not have the state of the request.", "RFC 6749 §4.1.2")
    promised = metadata.get("authorization_response_iss_parameter_supported")
    if "iss" in parameters and parameters["iss"] != issuer:
        found.fault(f"iss is {parameters['iss']}, but the issuer is {issuer}.", "RFC 9207 §2.4")
    elif promised and "iss" not in parameters:
        found.fault("The metadata promises iss, but the response has none.", "RFC 9207 §2.3")
    return found.ok("The client gets a code.")


def token(reply: Reply) -> list[Finding]:
    """The response of the token endpoint to a valid code."""
    found = Findings(TOKEN)
    document = reply.object
    if reply.status != 200 or document is None or not isinstance(document.get("access_token"), str):
        said = (document or {}).get("error_description") or (document or {}).get("error") or reply.text[:200]
        found.fault(f"A valid code is rejected ({reply.status}): {said}", "RFC 6749 §4.1.3, §5.1")
        return found.all
    if str(document.get("token_type")).lower() != "bearer":
        found.fault(f"token_type is {document.get('token_type')!r}, not Bearer.", "RFC 6749 §5.1 (REQUIRED)")
    if not isinstance(document.get("expires_in"), int):
        found.warning("expires_in is missing, so a client cannot refresh in time.", "RFC 6749 §5.1")
    if not document.get("refresh_token"):
        found.warning("There is no refresh token: users must sign in again and again.", "RFC 6749 §1.5")
    _no_store(found, reply, "RFC 6749 §5.1")
    return found.ok("The code is exchanged for a token.")


def bad_token(reply: Reply) -> list[Finding]:
    """The response to a request with an unknown token."""
    found = Findings(ENDPOINT)
    if reply.status != 401:
        found.fault(
            f"An unknown token gets {reply.status}; only 401 makes a client renew its token.",
            "MCP 2025-11-25 Authorization, Token Handling; RFC 6750 §3.1 (MUST)",
        )
    elif (challenge_of(reply) or {}).get("error") != "invalid_token":
        found.warning('The challenge lacks error="invalid_token".', "RFC 6750 §3.1")
    return found.ok("An unknown token is rejected.")


def discovered(reply: Reply) -> list[Finding]:
    """The response to `server/discover`, which servers of earlier revisions do not support."""
    found = Findings(DISCOVER)
    if not isinstance(reply.result, dict):
        says = f"2026-07-28 is not supported ({reply.status}); clients fall back to initialize."
        return [Finding(DISCOVER, Level.SKIPPED, says)]
    versions = reply.result.get("supportedVersions")
    if not isinstance(versions, list) or not versions:
        found.fault("The result lacks supportedVersions.", "MCP 2026-07-28 server/discover")
        return found.all
    return found.ok(f"Supported revisions: {', '.join(map(str, versions))}.")


def no_session(reply: Reply) -> list[Finding]:
    """The response to `initialize` of a server without sessions."""
    found = Findings(INITIALIZE)
    found.warning(
        f"There are no sessions (initialize gets {reply.status}): clients of revisions before "
        "2026-07-28 cannot connect.",
        "MCP 2026-07-28 Versioning",
    )
    return found.all


def initialized(reply: Reply) -> list[Finding]:
    """The response to `initialize`."""
    found = Findings(INITIALIZE)
    result = reply.result
    if reply.status == 401:
        found.fault(
            "The endpoint refuses the token that its own authorization server gave: look at the audience "
            "(resource), and at the clock.",
            "MCP 2025-11-25 Authorization, Access Token Privilege Restriction",
        )
    elif reply.status != 200 or not isinstance(result, dict):
        found.fault(f"initialize gets {reply.status}: {reply.text[:200]}", "MCP Lifecycle")
    else:
        for name in ("protocolVersion", "capabilities", "serverInfo"):
            if name not in result:
                found.fault(f"The result lacks {name}.", "MCP 2025-11-25 Lifecycle, Initialization")
    return found.ok("The session is open.")


def tools(reply: Reply) -> list[Finding]:
    """The response to `tools/list`."""
    found = Findings(TOOLS)
    result = reply.result
    listed = result.get("tools") if isinstance(result, dict) else None
    if reply.status != 200 or not isinstance(listed, list):
        found.fault(f"tools/list gets {reply.status}: {reply.text[:200]}", "MCP Tools, Listing")
        return found.all
    for tool in listed:
        schema = tool.get("inputSchema") if isinstance(tool, dict) else None
        if not isinstance(schema, dict) or schema.get("type") != "object":
            name = tool.get("name") if isinstance(tool, dict) else tool
            found.fault(f"The tool {name!r} has no inputSchema of type object.", "MCP Tools, Tool")
    return found.ok(f"{len(listed)} tools on the first page.")


def called(reply: Reply) -> list[Finding]:
    """The response to a call of a tool: what it returned, or why it failed."""
    found = Findings(CALL)
    result = reply.result
    if not isinstance(result, dict):
        needed = (challenge_of(reply) or {}).get("scope")
        scopes = f" Request them with --scope {needed!r}." if reply.status == 403 and needed else ""
        found.fault(f"The call gets {reply.status}: {reply.sentence or reply.text[:200]}{scopes}")
        return found.all
    content = result.get("content")
    parts = content if isinstance(content, list) else []
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    said = " ".join(" ".join(texts).split()) or json.dumps(result, ensure_ascii=False)
    if result.get("isError"):
        found.warning(f"The tool reports an error: {said}")
    return found.ok(said)


def _no_store(found: Findings, reply: Reply, spec: str) -> None:
    if "no-store" not in reply.headers.get("cache-control", ""):
        found.warning("The response may be cached (Cache-Control lacks no-store).", spec)
