"""Two ways to consent: in the user's own browser, or simulated, on pages that need no JavaScript."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from mcp_app.doctor.reading import read
from mcp_app.terminal import visible

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
    types: dict[str, str] = field(default_factory=dict)
    """The type of each input, by its name."""
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def asks_consent(self) -> bool:
        """Whether this is the form of a consent page such as this project's."""
        return ("decision", "allow") in self.buttons

    @property
    def password_name(self) -> str:
        """The name of the input for a password; empty if there is none."""
        return next((name for name, kind in self.types.items() if kind == "password"), "")

    @property
    def user_name(self) -> str:
        """The name of the input for the user name: the first one to type into."""
        return next((name for name, kind in self.types.items() if kind in ("text", "email")), "username")


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
            self.forms[-1].types[attributes["name"]] = attributes.get("type", "text")
        elif self.forms and tag == "button":
            self.forms[-1].buttons.append((attributes.get("name", ""), attributes.get("value", "")))


def _is_sent(attributes: dict[str, str]) -> bool:
    """Whether a browser sends this input: it omits unticked checkboxes."""
    return attributes.get("type") != "checkbox" or "checked" in attributes


def played_by(person: str, http: httpx2.AsyncClient, ask_password: Callable[[str], str]) -> SignIn:
    """A simulated user who signs in with a name, and with a password if the page asks for one, and allows
    everything.

    Args:
        person: The name.
        http: The client of the run.
        ask_password: Takes the host that gets the password, and returns it; called once at the most.
    """

    async def sign_in(url: str) -> dict[str, str]:
        page = await read(http, "GET", url)
        password: str | None = None
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
            form = _form_to_send(page.text)
            if form.password_name and password is not None:
                raise NotSignedIn(f"{person} is rejected: the name or the password is wrong")
            action = urljoin(page.url, form.action)
            if form.password_name:
                password = ask_password(urlsplit(action).netloc)
            data = _filled(form, person, password)
            # Redirects are followed above, so that the one to the client is seen, and goes nowhere.
            page = await read(http, "POST", action, data=data, headers={"Referer": page.url})
        raise NotSignedIn(f"no way back to the client within {MAX_STEPS} steps")

    return sign_in


def asks_consent(page: str) -> bool:
    """Whether this is a consent page such as this project's."""
    return any(form.asks_consent for form in _forms(page))


def _forms(page: str) -> list[_Form]:
    parser = _Forms()
    parser.feed(page)
    return parser.forms


def _form_to_send(page: str) -> _Form:
    """The form of the consent page, or that of the sign-in page."""
    forms = _forms(page)
    for form in forms:
        if form.asks_consent:
            return form
    for form in forms:
        if form.password_name or "name" in form.fields:
            return form
    raise NotSignedIn("the page asks for neither a name nor a password; see --sign-in")


def _filled(form: _Form, person: str, password: str | None) -> dict[str, str]:
    """Allow on the consent page, else the name, and the password if it is asked for."""
    if form.asks_consent:
        return form.fields | {"decision": "allow"}
    if form.password_name:
        return form.fields | {form.user_name: person, form.password_name: password or ""}
    return form.fields | {"name": person}


@asynccontextmanager
async def in_a_browser(say: Callable[[str], None]) -> AsyncIterator[tuple[str, SignIn]]:
    """A user with their own browser: a redirect URI on this computer, and a function to wait for it."""
    reached: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    connections: set[asyncio.StreamWriter] = set()

    async def callback(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ")[1]
            is_callback, found = urlsplit(target).path == CALLBACK_PATH, parameters(target)
            text = b"Thank you. The doctor continues in the terminal.\n"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + text)
            await writer.drain()
        except (EOFError, asyncio.LimitOverrunError, IndexError, ValueError, OSError):
            return  # it is no request, or has been closed
        finally:
            connections.discard(writer)
            writer.close()
        if is_callback and not reached.done():
            reached.set_result(found)

    async def sign_in(url: str) -> dict[str, str]:
        say(f"Open this in your browser, sign in, and allow access:\n\n  {visible(url)}\n")
        try:
            return await asyncio.wait_for(reached, PERSON_SECONDS)
        except TimeoutError:
            raise NotSignedIn(f"nobody returned within {PERSON_SECONDS:g} seconds") from None

    async with await asyncio.start_server(callback, "127.0.0.1", 0, limit=_HEAD_LIMIT) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}{CALLBACK_PATH}", sign_in
        finally:
            for idle in connections:  # browsers open some in advance, for which the server would wait
                idle.close()


def parameters(url: str) -> dict[str, str]:
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    return {name: values[0] for name, values in query.items()}
