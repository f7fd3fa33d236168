"""A simulated browser: it follows redirects, keeps cookies, and submits forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2

MAX_STEPS = 12


@dataclass
class Form:
    """One form of a page: where it goes, its fields, and the values of its buttons by their label."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(attributes.get("action", "")))
        elif tag == "input" and self.forms and "name" in attributes and _is_sent(attributes):
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button":
            self._button = (attributes.get("name", ""), attributes.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._button is not None and data.strip() and self.forms:
            self.forms[-1].buttons[data.strip()] = self._button
            self._button = None


def _is_sent(attributes: dict[str, str]) -> bool:
    """Whether a browser sends this input: unchecked boxes are not sent."""
    return attributes.get("type") != "checkbox" or "checked" in attributes


class Browser:
    """One browser with its cookies.

    Args:
        person: Who it says it is on the sign-in page.
    """

    def __init__(self, person: str = "alice") -> None:
        self.person = person
        self.pages: list[str] = []
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=20)

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def authorize(self, url: str, redirect_uri: str, decision: str = "Allow") -> str:
        """Open an authorization URL, sign in, decide, and return the URL that the client is redirected to."""
        response = await self._http.get(url)
        for _ in range(MAX_STEPS):
            if response.has_redirect_location:
                target = urljoin(str(response.url), response.headers["location"])
                if _same_place(target, redirect_uri):
                    return target
                response = await self._http.get(target)
                continue
            response.raise_for_status()
            self.pages.append(response.text)
            response = await self._press(response, decision)
        raise AssertionError(f"no way back to the client after {MAX_STEPS} steps")

    async def visit(self, url: str) -> httpx2.Response:
        """Open a URL, such as the callback of a client that listens on this computer."""
        return await self._http.get(url)

    async def _press(self, page: httpx2.Response, decision: str) -> httpx2.Response:
        parser = _Forms()
        parser.feed(page.text)
        for label in (decision, self.person):
            for form in parser.forms:
                if label in form.buttons:
                    name, value = form.buttons[label]
                    return await self._submit(page, form, form.fields | {name: value})
        for form in parser.forms:
            if "name" in form.fields:
                return await self._submit(page, form, form.fields | {"name": self.person})
        raise AssertionError(f"nothing to press on the page:\n{page.text}")

    async def _submit(self, page: httpx2.Response, form: Form, fields: dict[str, str]) -> httpx2.Response:
        address = urljoin(str(page.url), form.action)
        return await self._http.post(address, data=fields, headers={"Referer": str(page.url)})


def _same_place(url: str, redirect_uri: str) -> bool:
    one, other = urlsplit(url), urlsplit(redirect_uri)
    return (one.scheme, one.netloc, one.path) == (other.scheme, other.netloc, other.path)
