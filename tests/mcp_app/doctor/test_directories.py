"""What checklists of directories miss: of a good server, of one that lacks something, and of real ones."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from mcp_app.doctor.directories import Checklist
from mcp_app.doctor.facts import Facts
from mcp_app.doctor.findings import Finding, Level
from mcp_app.doctor.reading import client
from mcp_app.doctor.requirements import DIRECTORIES
from tests.support.processes import ServerProcess, free_port, installation
from tests.support.waiting import eventually

URL = "https://mcp.example/mcp"
PAGES = ("documentation", "privacy", "terms")
NEEDED = {
    "TOOL_NAMES": "kebab-case",
    "CONTACT": "help@example.com",
    "OPENAI_APPS_CHALLENGE": "a-token-of-the-portal",
    "REGISTRY_AUTH": "v=MCPv1; k=ed25519; p=c2VjcmV0",
}
"""What docs/directories.md says that a site needs."""


def tool(name: str = "price", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": "Price",
        "description": "What an item costs",
        "inputSchema": {"type": "object", "properties": {"item": {"description": "An item"}}},
        "outputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False},
    } | changes


class Shop:
    """A server that lacks nothing, until a test takes something away."""

    def __init__(self) -> None:
        icons = [{"src": f"https://mcp.example/{theme}.png", "theme": theme} for theme in ("light", "dark")]
        self.facts = Facts(
            is_protected=True,
            resource={
                "resource_documentation": "https://mcp.example/documentation",
                "resource_policy_uri": "https://mcp.example/privacy",
            },
            server={
                "registration_endpoint": "https://mcp.example/register",
                "op_tos_uri": "https://mcp.example/terms",
            },
            info={"name": "shop", "title": "Shop", "version": "1.0", "description": "Sells.", "icons": icons},
            tools=[tool()],
        )
        self.card: dict[str, Any] = {
            "name": "example.mcp/shop",
            "version": "1.0",
            "description": "Sells.",
            "remotes": [{"type": "streamable-http", "url": URL}],
        }
        self.catalog: dict[str, Any] = {"entries": [{"url": f"{URL}/server-card"}]}
        self.files = {
            "/.well-known/openai-apps-challenge": "token",
            "/.well-known/mcp-registry-auth": "v=MCPv1; k=ed25519; p=c2VjcmV0",
            **{f"/{page}": f"<h1>{page}</h1>" for page in PAGES},
        }
        self.leads_to: str | None = None
        """Where every page redirects to, if it does."""
        self.files["/documentation"] += '<a href="mailto:help@example.com">Help</a>'

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if self.leads_to is not None:
            return httpx2.Response(302, headers={b"Location": self.leads_to.encode()})
        if path == "/mcp/server-card" and self.card:
            kind = {"Content-Type": "application/mcp-server-card+json"}
            return httpx2.Response(200, content=json.dumps(self.card), headers=kind)
        if path == "/.well-known/ai-catalog.json":
            return httpx2.Response(200, json=self.catalog)
        if path.endswith(".png"):
            return httpx2.Response(200, content=b"...", headers={"Content-Type": "image/png"})
        if path in self.files:
            return httpx2.Response(200, text=self.files[path])
        return httpx2.Response(404, json={})

    async def missing(self, directory: str) -> list[str]:
        return [finding.says for finding in await self.findings(directory) if finding.level == Level.FAULT]

    async def findings(self, directory: str) -> list[Finding]:
        async with client(URL, httpx2.MockTransport(self)) as http:
            return await Checklist(http, URL, self.facts, DIRECTORIES[directory]).findings()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("directory", DIRECTORIES)
async def test_nothing_is_missing_of_a_good_server_and_the_rest_is_said_to_be_by_hand(
    shop: Shop, directory: str
) -> None:
    findings = await shop.findings(directory)
    levels = [finding.level for finding in findings]
    assert levels[:-1] == [Level.OK] * (len(findings) - 1), [finding.says for finding in findings]
    assert (findings[-1].level, findings[-1].step.endswith("by hand")) == (Level.SKIPPED, True)


@pytest.mark.parametrize(
    ("directory", "changed", "says"),
    [
        ("claude", tool("getPrice"), "neither snake case nor kebab case"),
        ("claude", tool("x" * 65), "more than 64 characters"),
        ("claude", tool(title=None), "lack a title"),
        ("claude", tool(annotations={"openWorldHint": False}), "lack readOnlyHint or destructiveHint"),
        ("chatgpt", tool(annotations={"readOnlyHint": True}), "lack one of readOnlyHint, destructiveHint"),
        ("chatgpt", tool(annotations={**tool()["annotations"], "openWorldHint": "no"}), "lack one of"),
        ("chatgpt", tool(outputSchema=None), "No tool has an output schema"),
        ("docker", tool(description=""), "lack a description"),
    ],
)
async def test_a_tool_that_lacks_something_is_named(
    shop: Shop, directory: str, changed: dict[str, Any], says: str
) -> None:
    shop.facts.tools = [changed]
    [missing] = await shop.missing(directory)
    assert says in missing
    assert changed["name"] in missing or "No tool" in missing


async def test_a_title_may_be_an_annotation(shop: Shop) -> None:
    shop.facts.tools = [tool(title=None, annotations={"title": "Price", "readOnlyHint": True})]
    assert await shop.missing("claude") == []


async def test_tools_without_a_schema_beside_others_are_left_to_the_reader(shop: Shop) -> None:
    shop.facts.tools = [tool(), tool("picture", outputSchema=None)]
    skipped = [one.says for one in await shop.findings("chatgpt") if one.level == Level.SKIPPED]
    assert any("picture" in says for says in skipped)


async def test_parameters_without_a_description_are_a_warning(shop: Shop) -> None:
    shop.facts.tools = [tool(inputSchema={"type": "object", "properties": {"item": {"type": "string"}}})]
    warnings = [one.says for one in await shop.findings("docker") if one.level == Level.WARNING]
    assert warnings == ["1 of 1 tools (price) have parameters without a description."]


async def test_unknown_tools_are_no_fault(shop: Shop) -> None:
    shop.facts.tools = None
    assert await shop.missing("claude") == []


async def test_a_page_must_be_named_and_readable(shop: Shop) -> None:
    del shop.facts.resource["resource_policy_uri"]
    del shop.files["/terms"]
    assert [says[:30] for says in await shop.missing("chatgpt")] == [
        "No page about privacy is named",
        "The page about terms, https://",
    ]


async def test_somebody_must_be_reachable(shop: Shop) -> None:
    shop.files["/documentation"] = "nobody"
    assert len(await shop.missing("claude")) == 1
    shop.files["/.well-known/security.txt"] = "Contact: mailto:help@example.com\n"
    assert await shop.missing("claude") == []


async def test_a_token_must_be_had_by_oauth_from_a_server_that_any_client_may_use(shop: Shop) -> None:
    shop.facts.server = {**shop.facts.server, "registration_endpoint": None}
    assert len(await shop.missing("claude")) == 1
    shop.facts.server["client_id_metadata_document_supported"] = True
    assert await shop.missing("claude") == []
    shop.facts.is_protected = False
    shop.facts.server = {"op_tos_uri": "https://mcp.example/terms"}
    assert await shop.missing("claude") == []


async def test_icons_must_be_for_both_themes_where_that_is_asked_for(shop: Shop) -> None:
    shop.facts.info["icons"] = shop.facts.info["icons"][:1]
    assert await shop.missing("docker") == []
    assert len(await shop.missing("chatgpt")) == 1
    shop.facts.info["icons"] = [{"src": "https://mcp.example/nothing"}]
    [missing] = await shop.missing("docker")
    assert "cannot be read" in missing


async def test_the_domain_is_verified_by_a_file_or_otherwise(shop: Shop) -> None:
    shop.files = {path: text for path, text in shop.files.items() if not path.startswith("/.well-known")}
    assert len(await shop.missing("chatgpt")) == 1
    assert await shop.missing("registry") == [], "a DNS record does, too"
    shop.files["/.well-known/mcp-registry-auth"] = "something else"
    assert len(await shop.missing("registry")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "shop"},
        {"version": "^1.0"},
        {"version": "1.x"},
        {"version": "latest"},
        {"version": None},
        {"description": "x" * 101},
        {"description": None},
        {"remotes": []},
        {"remotes": [{"url": "https://other.example/mcp"}]},
    ],
)
async def test_what_the_registry_would_refuse_of_a_card_is_a_fault(
    shop: Shop, changes: dict[str, Any]
) -> None:
    shop.card |= changes
    assert len(await shop.missing("registry")) == 1


async def test_a_card_that_no_catalog_names_is_a_warning_and_none_at_all_a_fault(shop: Shop) -> None:
    shop.catalog = {"entries": []}
    assert await shop.missing("registry") == []
    assert Level.WARNING in [finding.level for finding in await shop.findings("registry")]
    shop.card = {}
    assert len(await shop.missing("registry")) == 1


@pytest.mark.parametrize("odd", [None, [], "text", 5, [1], {"a": 1}])
@pytest.mark.parametrize("directory", DIRECTORIES)
async def test_a_server_may_answer_with_anything(shop: Shop, directory: str, odd: Any) -> None:
    shop.card, shop.catalog = (
        {"remotes": odd, "name": odd, "version": odd, "description": odd},
        {"entries": odd},
    )
    shop.facts.info = {"icons": odd, "version": odd}
    shop.facts.note_info({"serverInfo": odd, "_meta": odd})
    shop.facts.note_tools({"tools": odd})
    shop.facts.tools = [
        {"name": odd, "annotations": odd, "inputSchema": odd},
        {"inputSchema": {"properties": odd}},
    ]
    assert await shop.missing(directory)


@pytest.mark.parametrize("odd", [5, [1], {"a": 1}, True])
@pytest.mark.parametrize("directory", DIRECTORIES)
async def test_titles_themes_and_addresses_may_be_anything_too(shop: Shop, directory: str, odd: Any) -> None:
    shop.facts.info = {"title": odd, "version": "1", "icons": [{"src": odd, "theme": odd}]}
    shop.facts.resource = {"resource_documentation": odd, "resource_policy_uri": odd}
    assert (await shop.findings(directory))[-1].level == Level.SKIPPED


@pytest.mark.parametrize("address", ["https://[x", "https://mcp.example:99999999/", "http://\u2100.example"])
@pytest.mark.parametrize("directory", DIRECTORIES)
async def test_a_server_may_lead_to_what_is_no_address(shop: Shop, directory: str, address: str) -> None:
    shop.leads_to = address
    shop.facts.info["icons"] = [{"src": address}]
    assert (await shop.findings(directory))[-1].level == Level.SKIPPED


BAD = """
import sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("bad")

@server.tool()
def getPrice(item: str) -> dict:
    return {"price": 1}

server.run("streamable-http", port=int(sys.argv[1]))
"""


@pytest.fixture
async def bad() -> AsyncIterator[str]:
    """A server of the official SDK that thinks of no directory."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BAD, str(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/mcp"

    def answers() -> bool:
        try:
            return httpx2.post(url, json={}, timeout=1).status_code > 0
        except httpx2.HTTPError:
            return False

    try:
        await eventually(answers, within=30)
        yield url
    finally:
        process.kill()
        async with asyncio.timeout(10):
            await process.wait()


@pytest.mark.processes
async def test_our_own_server_lacks_nothing_and_another_one_much(bad: str) -> None:
    port = free_port()
    every = [word for name in DIRECTORIES for word in ("--directory", name)]
    with installation(f"http://localhost:{port}", CLIENT_ID_METADATA_DOCUMENTS="false", **NEEDED) as made:
        server = ServerProcess(made, port)
        server.start()
        try:
            printed = made.run("doctor", f"http://localhost:{port}/mcp", "--as", "alice", "--json", *every)
            answer = json.loads(printed.stdout)
            assert [one for one in answer["findings"] if one["level"] in ("fault", "warning")] == []
            assert answer["faults"] == 0
            with pytest.raises(subprocess.CalledProcessError) as failed:
                made.run("doctor", bad, "--json", *every)
            assert failed.value.returncode == 1
            said = " ".join(one["says"] for one in json.loads(failed.value.stdout)["findings"])
            for missing in (
                "lack a title",
                "neither snake case",
                "no icons",
                "No page about privacy",
                "no card",
            ):
                assert missing in said
        finally:
            server.stop()
