"""Two ways to consent: in the user's own browser, or simulated, at the fake identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from everything_site.doctor.reading import read
from everything_site.terminal import visible

CALLBACK_PATH = "/callback"
PLAYED_REDIRECT_URI = f"http://127.0.0.1:33418{CALLBACK_PATH}"
MAX_STEPS = 12
PERSON_SECONDS = 300.0
_HEAD_LIMIT = 64 * 1024

SignIn = Callable[[str], Awaitable[dict[str, str]]]
"""Takes an authorization URL and returns the parameters with which the client's callback is reached."""


class NotSignedIn(Exception):
    """The way through the pages did not lead back to the client."""


@dataclass
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(attributes.get("action", "")))
        elif self.forms and tag == "input" and "name" in attributes and _is_sent(attributes):
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif self.forms and tag == "button":
            self.forms[-1].buttons.append((attributes.get("name", ""), attributes.get("value", "")))


def _is_sent(attributes: dict[str, str]) -> bool:
    """Whether a browser sends this input: it omits unticked checkboxes."""
    return attributes.get("type") != "checkbox" or "checked" in attributes


def played_by(person: str, http: httpx2.AsyncClient) -> SignIn:
    """A simulated user who signs in at this project's fake identity provider, and allows everything."""

    async def sign_in(url: str) -> dict[str, str]:
        page = await read(http, "GET", url)
        for _ in range(MAX_STEPS):
            location = page.headers.get("location")
            if location is not None:
                target = urljoin(page.url, location)
                if target.startswith(PLAYED_REDIRECT_URI):
                    return parameters(target)
                page = await read(http, "GET", target)
                continue
            if page.status >= 400:
                said = page.sentence or f"{page.url.partition('?')[0]} answers {page.status}"
                raise NotSignedIn(f"{person} is rejected: {said.removesuffix('.')}")
            form, data = _decision(page.text, person)
            # Redirects are followed above, so that the one to the client is seen, and goes nowhere.
            action = urljoin(page.url, form.action)
            page = await read(http, "POST", action, data=data, headers={"Referer": page.url})
        raise NotSignedIn(f"no way back to the client within {MAX_STEPS} steps")

    return sign_in


def asks_consent(page: str) -> bool:
    """Whether this is the consent page of this project."""
    return any(("decision", "allow") in form.buttons for form in _forms(page))


def _forms(page: str) -> list[_Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def _decision(page: str, person: str) -> tuple[_Form, dict[str, str]]:
    """The form to send, filled in: Allow on the consent page, else a name on the sign-in page."""
    forms = _forms(page)
    for form in forms:
        if ("decision", "allow") in form.buttons:
            return form, form.fields | {"decision": "allow"}
    for form in forms:
        if "name" in form.fields:
            return form, form.fields | {"name": person}
    raise NotSignedIn("the sign-in page is not that of this project's fake identity provider")


@asynccontextmanager
async def in_a_browser(say: Callable[[str], None]) -> AsyncIterator[tuple[str, SignIn]]:
    """A user with their own browser: a redirect URI on this computer, and a function to wait for it."""
    reached: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def callback(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ")[1]
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError):
            target = ""
        text = b"Thank you. The doctor continues in the terminal.\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + text)
        await writer.drain()
        writer.close()
        if urlsplit(target).path == CALLBACK_PATH and not reached.done():
            reached.set_result(parameters(target))

    async def sign_in(url: str) -> dict[str, str]:
        say(f"Open this in your browser, sign in, and allow access:\n\n  {visible(url)}\n")
        try:
            return await asyncio.wait_for(reached, PERSON_SECONDS)
        except TimeoutError:
            raise NotSignedIn(f"nobody returned within {PERSON_SECONDS:g} seconds") from None

    async with await asyncio.start_server(callback, "127.0.0.1", 0, limit=_HEAD_LIMIT) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}{CALLBACK_PATH}", sign_in


def parameters(url: str) -> dict[str, str]:
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}
