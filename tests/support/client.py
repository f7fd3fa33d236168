"""The official Python client, signed in with the official OAuth provider and a simulated browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcp_app.testing.revisions import asking_for
from tests.support.browser import Browser

REDIRECT_URI = "http://127.0.0.1:33418/callback"


class Storage:
    """The client's storage for its registration and tokens."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def oauth_provider(url: str, browser: Browser, storage: Storage) -> OAuthClientProvider:
    """The SDK's OAuth client: discovery, registration, authorization and tokens."""
    answer: dict[str, str] = {}

    async def open_browser(authorization_url: str) -> None:
        back = await browser.authorize(authorization_url, REDIRECT_URI)
        answer.update({name: values[0] for name, values in parse_qs(urlsplit(back).query).items()})

    async def wait_for_callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    return OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata.model_validate(
            {
                "client_name": "Test client",
                "redirect_uris": [REDIRECT_URI],
                "token_endpoint_auth_method": "none",
            }
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )


@asynccontextmanager
async def connect(
    url: str,
    mode: str,
    *,
    person: str = "alice",
    browser: Browser | None = None,
    storage: Storage | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    """A client, connected after the complete OAuth flow.

    Args:
        url: The MCP endpoint.
        mode: The client's `mode`, or one of the handshake revisions: "legacy" asks for the newest of them.
        person: Who signs in.
        browser: Where it signs in, for a test that looks at the pages afterwards.
        storage: Where the client keeps its registration and tokens.
        options: Further arguments of `mcp.Client`.
    """
    async with AsyncExitStack() as stack:
        if browser is None:
            browser = await stack.enter_async_context(Browser(person))
        provider = oauth_provider(url, browser, storage or Storage())
        http = await stack.enter_async_context(
            httpx2.AsyncClient(auth=provider, timeout=httpx2.Timeout(30, read=120), follow_redirects=True)
        )
        transport = streamable_http_client(url, http_client=http)
        if mode in HANDSHAKE_PROTOCOL_VERSIONS:
            transport, mode = asking_for(mode, transport), "legacy"
        yield await stack.enter_async_context(Client(transport, mode=mode, **options))


async def sign_in(url: str, person: str = "alice") -> str:
    """Get an access token for an MCP endpoint with the complete OAuth flow."""
    storage = Storage()
    async with (
        Browser(person) as browser,
        httpx2.AsyncClient(auth=oauth_provider(url, browser, storage), timeout=30) as http,
    ):
        await http.post(url, json={})
    assert storage.tokens is not None
    return storage.tokens.access_token
