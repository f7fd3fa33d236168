"""Signing in with the official Python client: registration, a real or simulated browser, the callback."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from steps import WAIT, say

SIGN_IN_MINUTES = 10
PAGE = b"""HTTP/1.1 200 OK\r
Content-Type: text/html; charset=utf-8\r
Connection: close\r
\r
<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Signed in</title><p>You can close this page.</p></html>
"""


class Memory:
    """Keeps the registration and the tokens while this script runs."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class NotSignedIn(Exception):
    """Access was not granted; the message says why."""


class SignIn:
    """What happens between the authorization URL and the client's callback.

    The callback is a port of this computer that nobody uses: authorization servers take any (RFC 8252 §7.3).

    Args:
        name: The user to sign in as; without it, you sign in with your own browser.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._answers: asyncio.Queue[str] = asyncio.Queue(maxsize=1)

    async def __aenter__(self) -> SignIn:
        self._listener = await asyncio.start_server(self._called_back, "127.0.0.1", 0)
        self.callback = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._listener.close()

    async def open(self, url: str) -> None:
        if self._name is None:
            say(f"Open this in a browser, within {SIGN_IN_MINUTES} minutes", url)
        else:
            await self._play_browser(url, self._name)

    async def wait(self) -> AuthorizationCodeResult:
        try:
            back = await asyncio.wait_for(self._answers.get(), SIGN_IN_MINUTES * 60)
        except TimeoutError:
            raise NotSignedIn(f"Nobody signed in within {SIGN_IN_MINUTES} minutes.") from None
        answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        if "code" not in answer:
            raise NotSignedIn(f"No access was given: {answer.get('error')}")
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))

    async def _called_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readline()).decode().split(" ")[1]
        writer.write(PAGE)
        await writer.drain()
        writer.close()
        if target.startswith("/callback?") and self._answers.empty():
            self._answers.put_nowait(target)

    async def _play_browser(self, url: str, name: str) -> None:
        pressed = {"name": name, "decision": "allow"}
        async with httpx2.AsyncClient(timeout=WAIT, follow_redirects=True) as http:
            page = await http.get(url)
            for _ in range(5):
                if str(page.url).startswith(self.callback):
                    return
                action = re.search(r'<form method="post" action="([^"]*)"', page.text)
                token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page.text)
                if action is None or page.is_error:
                    raise NotSignedIn(f"{name} is not signed in: {_said(page.text)}")
                # The first page asks for a name, the second for a decision; each ignores the other's field.
                form = {"csrfmiddlewaretoken": token[1] if token else "", **pressed}
                address = urljoin(str(page.url), unescape(action[1]))
                page = await http.post(address, data=form, headers={"Referer": str(page.url)})
        raise NotSignedIn(f"There is no way back from the sign-in: the last page is {page.url}")


def _said(page: str) -> str:
    """The error message of a page: that of the invalid field, or else the first paragraph."""
    found = re.search(r'<p class="errors"[^>]*>([^<]*)<', page) or re.search(r"<p>([^<]*)</p>", page)
    return unescape(found[1]) if found else "the page has no form"


def signing_in(url: str, sign_in: SignIn) -> OAuthClientProvider:
    metadata = {
        "client_name": "Python client",
        "redirect_uris": [sign_in.callback],
        "token_endpoint_auth_method": "none",
    }
    return OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata.model_validate(metadata),
        storage=Memory(),
        redirect_handler=sign_in.open,
        callback_handler=sign_in.wait,
    )
