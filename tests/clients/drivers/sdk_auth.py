"""The OAuth client of the official Python SDK, either line, for every client that takes one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import play
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

REDIRECT_URI = "http://127.0.0.1:33418/callback"


class Storage:
    """Keeps the registration and the tokens for as long as the driver runs."""

    tokens: Any = None
    client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


_STORAGE: dict[str, Storage] = {}


def provider(url: str = play.URL) -> OAuthClientProvider:
    """A provider that registers and signs in by itself; all of one URL share their tokens."""
    answer: dict[str, str] = {}

    async def open_browser(authorization_url: str) -> None:
        back = await play.sign_in(authorization_url)
        answer.update({name: values[0] for name, values in parse_qs(urlsplit(back).query).items()})

    async def wait_for_callback() -> Any:
        try:
            from mcp.client.auth import AuthorizationCodeResult
        except ImportError:  # the SDK before 2.0
            return answer["code"], answer.get("state")
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    metadata = {
        "client_name": "A client",
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "none",
    }
    return OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata.model_validate(metadata),
        storage=_STORAGE.setdefault(url, Storage()),
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
