"""A simulated browser: it follows redirects, keeps cookies, and submits forms."""

from __future__ import annotations

from collections.abc import Mapping
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
        self._choosing = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(attributes.get("action", "")))
        elif tag == "input" and self.forms and "name" in attributes and _is_sent(attributes):
            self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif tag in ("select", "textarea") and self.forms and "name" in attributes:
            self._choosing = attributes["name"]
            self.forms[-1].fields[self._choosing] = ""
        elif tag == "option" and "selected" in attributes:
            self.forms[-1].fields[self._choosing] = attributes.get("value", "")
        elif tag == "button":
            self._button = (attributes.get("name", ""), attributes.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._button = None  # it has a picture and no text

    def handle_data(self, data: str) -> None:
        if self._button is not None and data.strip() and self.forms:
            self.forms[-1].buttons[data.strip()] = self._button
            self._button = None


def _has(form: Form, label: str) -> bool:
    return not label or label in form.buttons


def _is_sent(attributes: dict[str, str]) -> bool:
    """Whether a browser sends this input: unchecked boxes are not sent."""
    return attributes.get("type") != "checkbox" or "checked" in attributes


class Browser:
    """One browser with its cookies.

    Args:
        person: Who it says it is on the sign-in page.
        credentials: What it fills into the form that has these fields, such as a user name and a password.
    """

    def __init__(self, person: str = "alice", credentials: Mapping[str, str] | None = None) -> None:
        self.person = person
        self._credentials = credentials or {"name": person}
        self.pages: list[str] = []
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=20)

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that it has, by name."""
        return dict(self._http.cookies)

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

    async def sign_in(self, url: str) -> httpx2.Response:
        """Open a page, sign in on it, and return the one that follows."""
        response = await self._press(await self._follow(url), "")
        return await self._follow(urljoin(str(response.url), response.headers["location"]))

    async def change(self, url: str, label: str = "", **fields: str) -> httpx2.Response:
        """Open a page, change some fields of the form that has them all, and submit it.

        Args:
            url: The page.
            label: The button to press, if there are several.
            fields: The new values of the fields.
        """
        page = await self._http.get(url)
        page.raise_for_status()
        parser = _Forms()
        parser.feed(page.text)
        [form] = [each for each in parser.forms if fields.keys() <= each.fields.keys() and _has(each, label)]
        pressed = dict([form.buttons[label]]) if label else {}
        return await self._submit(page, form, {**form.fields, **fields, **pressed})

    async def visit(self, url: str) -> httpx2.Response:
        """Open a URL, such as the callback of a client that listens on this computer."""
        return await self._http.get(url)

    async def _follow(self, url: str) -> httpx2.Response:
        """Open a URL, and follow where it leads."""
        for _ in range(MAX_STEPS):
            response = await self._http.get(url)
            if not response.has_redirect_location:
                return response
            url = urljoin(str(response.url), response.headers["location"])
        raise AssertionError(f"no page after {MAX_STEPS} steps")

    async def _press(self, page: httpx2.Response, decision: str) -> httpx2.Response:
        parser = _Forms()
        parser.feed(page.text)
        for label in (decision, self.person):
            for form in parser.forms:
                if label in form.buttons:
                    name, value = form.buttons[label]
                    return await self._submit(page, form, form.fields | {name: value})
        for form in parser.forms:
            if self._credentials.keys() <= form.fields.keys():
                return await self._submit(page, form, {**form.fields, **self._credentials})
        raise AssertionError(f"nothing to press on the page:\n{page.text}")

    async def _submit(self, page: httpx2.Response, form: Form, fields: dict[str, str]) -> httpx2.Response:
        address = urljoin(str(page.url), form.action)
        return await self._http.post(address, data=fields, headers={"Referer": str(page.url)})


def _same_place(url: str, redirect_uri: str) -> bool:
    one, other = urlsplit(url), urlsplit(redirect_uri)
    return (one.scheme, one.netloc, one.path) == (other.scheme, other.netloc, other.path)
