"""Every step of an MCP client, one after the other, with the findings of the checks."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

import httpx2

from mcp_app.auth.metadata import metadata_urls
from mcp_app.doctor import access, discovery
from mcp_app.doctor.facts import Facts
from mcp_app.doctor.findings import Finding, Level, Reply
from mcp_app.doctor.reading import Unreachable, read
from mcp_app.doctor.sign_in import PLAYED_REDIRECT_URI, NotSignedIn, SignIn, asks_consent

REVISION = "2025-11-25"
MODERN = "2026-07-28"
FOREIGN = "https://not-registered.example/callback"
KNOWN_BY_URL = "https://claude.ai/oauth/claude-code-client-metadata"
"""The metadata document of a widely used client: Claude Code."""
KNOWN_BY_URL_REDIRECT_URI = "http://localhost:33418/callback"
_MAX_PAGES = 50
"""How many further pages of tools are read."""
_ACCEPT = "application/json, text/event-stream"


class Stopped(Exception):
    """The run ends here; the findings say why."""


@dataclass
class Walk:
    """One run against one MCP server.

    Attributes:
        http: Of `reading.client`.
        url: The MCP endpoint.
        token: A token to use instead of signing in.
        sign_in: How to sign in and consent; without it, the run ends at the sign-in page.
        redirect_uri: The redirect URI of `sign_in`.
        call: The `params` of a `tools/call` to make at the end.
        scope: The scopes to request; by default those of the challenge.
        client_id: A registered client; by default, one is registered and unregistered at the end.
        redirects_too: Further redirect URIs to register.
        state_bytes: The length of `state`.
        facts: What was learned.
        step: The current step.
    """

    http: httpx2.AsyncClient
    url: str
    token: str | None = None
    sign_in: SignIn | None = None
    redirect_uri: str = PLAYED_REDIRECT_URI
    client_id: str | None = None
    call: dict[str, Any] | None = None
    scope: str | None = None
    redirects_too: Sequence[str] = ()
    state_bytes: int = 16
    facts: Facts = field(default_factory=Facts)
    step: str = discovery.CHALLENGE
    findings: list[Finding] = field(default_factory=list)

    async def run(self) -> list[Finding]:
        """All findings, up to the end of the run."""
        try:
            await self._walk()
        except Stopped:
            pass
        except Unreachable as error:
            self.findings.append(Finding("connection", Level.FAULT, f"{error}."))
        except Exception as error:  # a server can send anything
            says = f"The response cannot be understood: {type(error).__name__} {error}".rstrip()
            self.findings.append(Finding(self.step, Level.FAULT, says))
        return self.findings

    async def _walk(self) -> None:
        challenged = await self._post(_initialize())
        if challenged.status != 401 and isinstance((open_to_all := await self._discover(None)).result, dict):
            challenged = open_to_all
        self._note(discovery.challenge(challenged))
        if challenged.status in (404, 405):  # there is no endpoint to examine
            raise Stopped
        if 200 <= challenged.status < 300:
            await self._use(None)
            return
        self.facts.is_protected = True
        self.step = discovery.RESOURCE
        resource = self.facts.resource = await self._resource_metadata(challenged)
        servers = resource.get("authorization_servers")
        if not isinstance(servers, list) or not servers or not discovery.is_secure(servers[0], self.url):
            raise Stopped
        self.step = access.ENDPOINT
        self._note(access.bad_token(await self._post(_initialize(), token="invented-by-the-doctor")))  # noqa: S106
        self.step = discovery.SERVER
        metadata = self.facts.server = await self._server_metadata(servers[0])
        if self.token is not None:
            await self._use(self.token)
        else:
            await self._sign_in_and_use(servers[0], metadata, challenged, resource)

    async def _resource_metadata(self, challenged: Reply) -> dict[str, Any]:
        """Checked at the URL in the challenge and at both well-known ones; one is enough."""
        named = (discovery.challenge_of(challenged) or {}).get("resource_metadata")
        places = list(dict.fromkeys([*([named] if named else []), *discovery.metadata_places(self.url)]))
        replies = [await self._get(place) for place in places if discovery.is_secure(place, self.url)]
        good = [reply for reply in replies if reply.status == 200 and reply.object is not None]
        for reply in replies:
            if reply in good or reply.url == named or not good:
                self._note(discovery.resource_metadata(reply, self.url))
            else:
                says = f"{reply.url} answers {reply.status}. Clients that look only there find nothing."
                self.findings.append(Finding(discovery.RESOURCE, Level.WARNING, says, "RFC 9728 §3.1"))
        if not good:
            raise Stopped
        return good[0].object or {}

    async def _server_metadata(self, issuer: str) -> dict[str, Any]:
        replies = []
        for url in metadata_urls(issuer):
            reply = await self._get(url)
            replies.append(reply)
            if reply.status == 200 and reply.object is not None:
                break
        self._note(
            discovery.server_metadata(replies[-1] if replies[-1].status == 200 else replies[0], issuer)
        )
        document = replies[-1].object
        if replies[-1].status != 200 or document is None:
            raise Stopped
        endpoints = (document.get("authorization_endpoint"), document.get("token_endpoint"))
        if not all(discovery.is_secure(endpoint, self.url) for endpoint in endpoints):
            raise Stopped
        return document

    async def _sign_in_and_use(
        self, issuer: str, metadata: dict[str, Any], challenged: Reply, resource: dict[str, Any]
    ) -> None:
        self.step = access.REGISTRATION
        client = await self._client(metadata)
        try:
            self.step = access.AUTHORIZATION
            verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(self.state_bytes)
            scope = self.scope or (discovery.challenge_of(challenged) or {}).get("scope")
            request = {
                "response_type": "code",
                "client_id": client["client_id"],
                "redirect_uri": self.redirect_uri,
                "code_challenge": _challenge(verifier),
                "code_challenge_method": "S256",
                "state": state,
                "resource": resource.get("resource") or self.url,
                **({"scope": scope} if scope else {}),
            }
            endpoint: str = metadata["authorization_endpoint"]
            self._note(access.authorization_page(await self._get(_with(endpoint, request))))
            foreign = await self._foreign_redirect(endpoint, request)
            if self.sign_in is None:
                self._note(foreign)
                by_url = [access.CLIENT_BY_URL] * _may_skip_registration(metadata)
                for step in (*by_url, access.TOKEN, access.INITIALIZE, access.TOOLS):
                    says = "Nobody signed in; see --as, --sign-in and --token."
                    self.findings.append(Finding(step, Level.SKIPPED, says))
                return
            parameters = await self._agreement(_with(endpoint, request))
            returned = access.authorization_response(parameters, state, issuer, metadata)
            self._note(returned)
            if foreign[0].level == Level.SKIPPED:  # possible now that somebody has signed in
                foreign = await self._foreign_redirect(endpoint, request)
            self._note(foreign)
            await self._client_by_url(endpoint, request, metadata)
            if any(finding.level == Level.FAULT for finding in returned):
                says = "No code is exchanged after such a response: it may be somebody else's."
                self.findings.append(Finding(access.TOKEN, Level.SKIPPED, says, "RFC 9207 §2.4"))
                raise Stopped
            self.step = access.TOKEN
            body = {
                "grant_type": "authorization_code",
                "client_id": client["client_id"],
                "code": parameters.get("code", ""),
                "code_verifier": verifier,
                "redirect_uri": self.redirect_uri,
                "resource": request["resource"],
            }
            reply = await self._read("POST", metadata["token_endpoint"], data=body)
            self._note(access.token(reply))
            token = (reply.object or {}).get("access_token")
            if isinstance(token, str):
                await self._use(token)
        finally:
            await self._unregister(client, metadata)

    async def _client_by_url(self, endpoint: str, request: dict[str, Any], metadata: dict[str, Any]) -> None:
        """What happens to a client that does not register, if the metadata says that it need not."""
        if not _may_skip_registration(metadata):
            return
        self.step = access.CLIENT_BY_URL
        known = {"client_id": KNOWN_BY_URL, "redirect_uri": KNOWN_BY_URL_REDIRECT_URI}
        reply = await self._get(_with(endpoint, request | known))
        self._note(access.client_by_url(reply, KNOWN_BY_URL, KNOWN_BY_URL_REDIRECT_URI))

    async def _foreign_redirect(self, endpoint: str, request: dict[str, Any]) -> list[Finding]:
        reply = await self._get(_with(endpoint, request | {"redirect_uri": FOREIGN}))
        return access.foreign_redirect(reply, FOREIGN, asks_consent=asks_consent(reply.text))

    async def _agreement(self, url: str) -> dict[str, str]:
        assert self.sign_in is not None
        try:
            return await self.sign_in(url)
        except NotSignedIn as error:
            self.findings.append(
                Finding(access.AUTHORIZATION, Level.FAULT, f"Nobody could sign in: {error}.")
            )
            raise Stopped from error

    async def _client(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """The given client, or a new one."""
        if self.client_id:
            return {"client_id": self.client_id}
        endpoint = metadata.get("registration_endpoint")
        if not endpoint:
            says = "Clients cannot register here; use --client-id to continue."
            self.findings.append(Finding(access.REGISTRATION, Level.SKIPPED, says))
            raise Stopped
        if not discovery.is_secure(endpoint, self.url):
            raise Stopped  # already reported
        document = {
            "client_name": "MCP doctor",
            "redirect_uris": [self.redirect_uri, *self.redirects_too],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }
        reply = await self._read("POST", endpoint, json=document)
        self._note(access.registration(reply, self.redirect_uri))
        client = reply.object
        if client is None or not isinstance(client.get("client_id"), str):
            raise Stopped
        return client

    async def _unregister(self, client: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Unregister the client, if the server supports RFC 7592; nothing else is deleted."""
        url, token = client.get("registration_client_uri"), client.get("registration_access_token")
        if url is None or token is None:
            return
        here = discovery.origin_of(metadata.get("registration_endpoint"))
        says = "The doctor's client stays registered: registration_client_uri is not where clients register."
        if discovery.origin_of(url) == here and isinstance(token, str) and _is_sendable(token):
            try:
                await self._read("DELETE", url, headers={"Authorization": f"Bearer {token}"})
            except Unreachable as error:
                says = f"The doctor's client stays registered: {error}."
            else:
                return
        self.findings.append(Finding(access.REGISTRATION, Level.WARNING, says, "RFC 7592 §3"))

    async def _use(self, token: str | None) -> None:
        self.step = access.DISCOVER
        discovered = await self._discover(token)
        if discovered.status != 401:  # otherwise `initialize` reports it
            self._note(access.discovered(discovered))
        self.step = access.INITIALIZE
        self.facts.note_info(discovered.result)
        reply = await self._post(_initialize(), token=token)
        if isinstance(discovered.result, dict) and not isinstance(reply.result, dict):
            self._note(access.no_session(reply))
            await self._use_tools(lambda method, params: self._without_session(method, token, params))
            return
        self._note(access.initialized(reply))
        if not isinstance(reply.result, dict):
            raise Stopped
        self.facts.note_info(reply.result)
        headers = {"MCP-Protocol-Version": str(reply.result.get("protocolVersion", REVISION))}
        if session := reply.headers.get("mcp-session-id"):
            headers["Mcp-Session-Id"] = session
        ids = count(2)

        def send(method: str, params: dict[str, Any]) -> Awaitable[Reply]:
            message = {"jsonrpc": "2.0", "id": next(ids), "method": method}
            return self._post(message | ({"params": params} if params else {}), token, headers)

        try:
            await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, token, headers)
            await self._use_tools(send)
        finally:
            if session:
                authorization = {"Authorization": f"Bearer {token}"} if token else {}
                await self._read("DELETE", self.url, headers=headers | authorization)

    async def _use_tools(self, send: Callable[[str, dict[str, Any]], Awaitable[Reply]]) -> None:
        """Learn of all tools, and make the call.

        Args:
            send: Sends a request: its method and its parameters.
        """
        reply = await send("tools/list", {})
        self._note(access.tools(reply))
        cursor = self.facts.note_tools(reply.result)
        for _ in range(_MAX_PAGES):
            if cursor is None:
                break
            cursor = self.facts.note_tools((await send("tools/list", {"cursor": cursor})).result)
        if self.call is not None:
            self._note(access.called(await send("tools/call", self.call)))

    async def _discover(self, token: str | None) -> Reply:
        return await self._without_session("server/discover", token, {})

    async def _without_session(self, method: str, token: str | None, params: dict[str, Any]) -> Reply:
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "doctor", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        return await self._post(message, token, headers)

    def _note(self, found: list[Finding]) -> None:
        self.findings += found

    async def _get(self, url: str) -> Reply:
        return await self._read("GET", url, headers={"MCP-Protocol-Version": REVISION})

    async def _post(
        self, message: dict[str, Any], token: str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        sent = {"Accept": _ACCEPT, **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return await self._read("POST", self.url, json=message, headers=sent, until=message.get("id"))

    async def _read(self, method: str, url: str, **request: Any) -> Reply:
        return await read(self.http, method, url, **request)


def _initialize() -> dict[str, Any]:
    params = {
        "protocolVersion": REVISION,
        "capabilities": {},
        "clientInfo": {"name": "doctor", "title": "MCP doctor", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


def _may_skip_registration(metadata: dict[str, Any]) -> bool:
    return metadata.get("client_id_metadata_document_supported") is True


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _is_sendable(token: str) -> bool:
    return token.isascii() and token.isprintable()


def _with(url: str, query: dict[str, Any]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
