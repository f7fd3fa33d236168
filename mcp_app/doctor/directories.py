"""What the checklists of directories still miss, for any server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from mcp_app.card import CARD_SUFFIX, CARD_TYPE, CATALOG_PATH
from mcp_app.doctor.discovery import origin_of
from mcp_app.doctor.facts import Facts
from mcp_app.doctor.findings import Finding, Findings, Level, Reply
from mcp_app.doctor.reading import Unreachable, read
from mcp_app.doctor.requirements import Requirements
from mcp_app.doctor.tool_lists import check_tools
from mcp_app.hosts import is_loopback
from mcp_app.validators import is_server_name

_RANGE = re.compile(r"[\^~<>=*|]|\bx\b|latest|\s")

_PAGES = {
    "documentation": ("resource_documentation", "service_documentation"),
    "privacy": ("resource_policy_uri", "op_policy_uri"),
    "terms": ("resource_tos_uri", "op_tos_uri"),
}
_SUPPORT = re.compile(r'href="([^"]*(?:support|contact|mailto:)[^"]*)"', re.IGNORECASE)


@dataclass
class Checklist:
    """The checks of one directory.

    Args:
        http: Of `reading.client`.
        url: The MCP endpoint.
        facts: What a run has learned.
        wanted: What the directory asks for.
    """

    http: httpx2.AsyncClient
    url: str
    facts: Facts
    wanted: Requirements

    async def findings(self) -> list[Finding]:
        """What is missing; a single success for each part in which nothing is."""
        wanted = self.wanted
        card = await self._get(self.url.rstrip("/") + CARD_SUFFIX)
        found = [*self._address(), *self._sign_in()]
        if wanted.tools:
            found += check_tools(self._step("tools"), self.facts.tools, wanted)
        found += await self._server(card.object if card.status == 200 else None)
        if wanted.pages:
            found += await self._pages()
        if wanted.card:
            found += await self._card(card)
        if wanted.challenge:
            found += await self._challenge()
        return [*found, Finding(self._step("by hand"), Level.SKIPPED, f"Not seen here: {wanted.by_hand}.")]

    def _step(self, part: str) -> str:
        return f"{self.wanted.name}: {part}"

    def _address(self) -> list[Finding]:
        found = Findings(self._step("address"))
        url = urlsplit(self.url)
        if url.hostname and is_loopback(url.hostname):
            says = "On this computer: a directory needs an https URL that everybody can reach."
            return [Finding(found.step, Level.SKIPPED, says)]
        if url.scheme != "https":
            found.fault("The endpoint must be https.")
        return found.ok(f"{self.url} is https.")

    def _sign_in(self) -> list[Finding]:
        found = Findings(self._step("sign-in"))
        if not self.facts.is_protected:
            return found.ok("Nobody needs to sign in.")
        server = self.facts.server
        if not server:
            found.fault("Tokens are needed, and no OAuth server is named that issues them.")
        elif not (server.get("registration_endpoint") or server.get("client_id_metadata_document_supported")):
            found.fault("Clients can neither register nor identify themselves by a URL.")
        return found.ok("By OAuth, and any client can start it.")

    async def _server(self, card: dict[str, Any] | None) -> list[Finding]:
        found = Findings(self._step("server"))
        info = self.facts.info
        titles = [info.get("title"), info.get("name")]
        title = next((one for one in titles if isinstance(one, str) and one), "")
        if not title or not info.get("version"):
            found.fault("serverInfo lacks a name or a version.")
        if len(title) > self.wanted.max_title_length:
            found.fault(f"The title {title!r} has more than {self.wanted.max_title_length} characters.")
        if not (info.get("description") or (card or {}).get("description")):
            found.warning("Neither serverInfo nor a card has a description.")
        if self.wanted.icon:
            await self._icons(found, info.get("icons"))
        return found.ok(f"{title}, {info.get('version')}: described{', with icons' * self.wanted.icon}.")

    async def _icons(self, found: Findings, icons: Any) -> None:
        listed = [icon for icon in icons if isinstance(icon, dict)] if isinstance(icons, list) else []
        if not listed:
            found.fault("serverInfo has no icons.", "MCP 2025-11-25 Implementation")
            return
        themes = [icon.get("theme") for icon in listed]
        if self.wanted.themes and not ("light" in themes and "dark" in themes):
            found.fault("There is not an icon for each of both themes, light and dark.")
        for icon in listed:
            source = icon.get("src")
            if isinstance(source, str) and source.startswith("data:"):
                continue
            reply = await self._get(str(source))
            if reply.status != 200 or not reply.media_type.startswith("image/"):
                found.fault(f"The icon {source} cannot be read ({_what(reply)}).")

    async def _pages(self) -> list[Finding]:
        found = Findings(self._step("pages"))
        texts = []
        for page in (page for page in self.wanted.pages if page in _PAGES):
            names = _PAGES[page]
            url = self.facts.resource.get(names[0]) or self.facts.server.get(names[1])
            if page == "documentation":
                url = url or self.facts.info.get("websiteUrl")
            if not url:
                found.fault(f"No page about {page} is named ({names[0]} or {names[1]}).", "RFC 9728 §2")
                continue
            reply = await self._get(str(url))
            texts.append(reply.text)
            if reply.status != 200:
                found.fault(f"The page about {page}, {url}, cannot be read ({_what(reply)}).")
        if "support" in self.wanted.pages:
            security = await self._get(urljoin(self.url, "/.well-known/security.txt"))
            has_contact = security.status == 200 and "contact:" in security.text.lower()
            if not has_contact and not any(_SUPPORT.search(text) for text in texts):
                found.fault(
                    "No page links to support or has an e-mail address, and there is no security.txt."
                )
        return found.ok(f"{', '.join(self.wanted.pages)}: named, and they can be read.")

    async def _card(self, reply: Reply) -> list[Finding]:
        found = Findings(self._step("card"))
        card = reply.object
        if reply.status != 200 or card is None:
            found.fault(
                f"There is no card at {reply.url} ({_what(reply)}), so neither a name nor a description for "
                "the registry can be seen.",
                "SEP-2127",
            )
            return found.all
        if reply.media_type != CARD_TYPE:
            found.warning(f"The card has the type {reply.media_type!r}, not {CARD_TYPE}.", "SEP-2127")
        name, version, text = (card.get(key) for key in ("name", "version", "description"))
        if not (isinstance(name, str) and name and is_server_name(name)):
            found.fault(f"The name {name!r} is not like com.example/shop.", "server.json, name")
        if not (isinstance(text, str) and 1 <= len(text) <= 100):
            found.fault("The description must have 1 to 100 characters.", "server.json, description")
        if not (isinstance(version, str) and version) or _RANGE.search(version.lower()):
            found.fault(f"{version!r} is not a single version.", "server.json, version")
        urls = _urls(card.get("remotes"))
        if self.url.rstrip("/") not in [str(url).rstrip("/") for url in urls]:
            found.fault(f"The card does not name this endpoint, but {', '.join(map(str, urls)) or 'none'}.")
        if self.facts.info.get("version") not in (None, version):
            found.warning("The card and serverInfo have different versions.", "SEP-2127, Consistency")
        catalog = await self._get(urljoin(self.url, CATALOG_PATH))
        if reply.url not in _urls((catalog.object or {}).get("entries")):
            says = f"{catalog.url} does not name the card ({_what(catalog)})."
            found.warning(says, "SEP-2127, discovery.md")
        return found.ok(f"{name} {version}, named by the catalog of its host.")

    async def _challenge(self) -> list[Finding]:
        found = Findings(self._step("domain"))
        reply = await self._get(urljoin(self.url, f"/.well-known/{self.wanted.challenge}"))
        if reply.status != 200 or not reply.text.strip() or reply.media_type == "text/html":
            says = f"{reply.url} does not answer with the text that verifies the domain ({_what(reply)})."
            if self.wanted.card:  # there are other ways
                return [
                    Finding(found.step, Level.SKIPPED, f"{says} A DNS record, or a name io.github.…, does.")
                ]
            found.fault(says)
        elif self.wanted.card and not reply.text.startswith("v=MCPv1;"):
            found.fault(f"{reply.url} does not begin with v=MCPv1;.")
        return found.ok(f"{reply.url} has the text that verifies the domain.")

    async def _get(self, url: str) -> Reply:
        """The response, at most two redirects away; status 0 if there is none."""
        try:
            for _ in range(3):
                reply = await read(self.http, "GET", url)
                if reply.status not in (301, 302, 303, 307, 308) or "location" not in reply.headers:
                    return reply
                url = urljoin(url, reply.headers["location"])
                if origin_of(url) is None:
                    break
            return reply
        except (Unreachable, ValueError) as error:  # a server can name and redirect to anything
            return Reply(url, 0, {}, str(error))


def _urls(entries: Any) -> list[Any]:
    return [one.get("url") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []


def _what(reply: Reply) -> str:
    return f"{reply.status} {reply.media_type}".strip() if reply.status else reply.text
