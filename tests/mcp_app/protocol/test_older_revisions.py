"""Content of tools and prompts at revisions that lack its type."""

import base64

import pytest
from mcp.server.mcpserver import Context, MCPServer, UserMessage
from mcp.types import (
    Annotations,
    AudioContent,
    ClientCapabilities,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResultWithTools,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

from mcp_app.asking import ask
from tests.support.engine import make_engine
from tests.support.in_memory import MODERN, Exchange

TYPES = {
    "2024-11-05": {"text", "image", "resource"},
    "2025-03-26": {"text", "image", "resource", "audio"},
    "2025-06-18": {"text", "image", "resource", "audio", "resource_link"},
    "2025-11-25": {"text", "image", "resource", "audio", "resource_link"},
    MODERN: {"text", "image", "resource", "audio", "resource_link"},
}
"""The types of content of tools and prompts, by revision (`ContentBlock` of its schema)."""
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}

DATA = base64.b64encode(b"RIFF").decode()
BESIDES = Annotations(audience=["user"], priority=0.5)
SOUND = AudioContent(data=DATA, mime_type="audio/wav", annotations=BESIDES, _meta={"x/of": "sound"})
LINK = ResourceLink(
    uri="shop://tea/1",
    name="tea-1",
    title="Tea",
    description="A green one",
    annotations=BESIDES,
    _meta={"x/of": "link"},
)
BARE = ResourceLink(uri="shop://tea/2", name="tea-2")
BLOCKS: list[ContentBlock] = [
    TextContent(text="Here:"),
    ImageContent(data=DATA, mime_type="image/png"),
    EmbeddedResource(resource=TextResourceContents(uri="shop://tea", text="tea")),
    SOUND,
    LINK,
    BARE,
]
SAMPLING = ClientCapabilities.model_validate({"sampling": {}})
WORDS = SamplingMessage(role="user", content=TextContent(text="What is this?"))
HEARD = {"role": "assistant", "content": {"type": "text", "text": "a cat"}, "model": "m"}


def build(engine) -> MCPServer:
    server = MCPServer("small", version="1", **engine.options())

    @server.tool(structured_output=False)
    async def everything() -> list[ContentBlock]:
        """Has every type of content"""
        return BLOCKS

    @server.prompt()
    async def everything_to_read() -> list[UserMessage]:
        """Has every type of content"""
        return [UserMessage(block) for block in BLOCKS]

    async def sample(ctx: Context, *messages: SamplingMessage) -> str:
        request = CreateMessageRequest(
            params=CreateMessageRequestParams(messages=list(messages), max_tokens=10)
        )
        answer = await ask(ctx, "heard", request, CreateMessageResultWithTools)
        assert isinstance(answer, CreateMessageResultWithTools)
        return "heard"

    @server.tool(structured_output=False)
    async def listen(ctx: Context) -> str:
        """Asks the model about a sound"""
        return await sample(ctx, WORDS, SamplingMessage(role="user", content=SOUND))

    @server.tool(structured_output=False)
    async def listen_at_once(ctx: Context) -> str:
        """Asks the model in one message of several blocks"""
        return await sample(ctx, SamplingMessage(role="user", content=[TextContent(text="This?"), SOUND]))

    @server.tool(structured_output=False)
    async def read(ctx: Context) -> str:
        """Asks the model about words"""
        return await sample(ctx, WORDS)

    return server


@pytest.fixture(scope="module")
def shop() -> MCPServer:
    return make_engine().build(build)


async def of_the_tool(server, revision):
    result = await Exchange(version=revision).run(
        server, "tools/call", {"name": "everything", "arguments": {}, "_meta": META}
    )
    return result["content"]


async def of_the_prompt(server, revision):
    result = await Exchange(version=revision).run(
        server, "prompts/get", {"name": "everything_to_read", "_meta": META}
    )
    return [message["content"] for message in result["messages"]]


of_each = pytest.mark.parametrize("got", [of_the_tool, of_the_prompt])


@of_each
@pytest.mark.parametrize("revision", TYPES)
async def test_content_has_only_types_of_the_revision(shop, got, revision):
    content = await got(shop, revision)
    assert {block["type"] for block in content} == TYPES[revision]
    assert len(content) == len(BLOCKS)


@of_each
@pytest.mark.parametrize("revision", TYPES)
async def test_what_the_revision_has_is_unchanged(shop, got, revision):
    for block, given in zip(await got(shop, revision), BLOCKS, strict=True):
        if given.type in TYPES[revision]:
            assert block == given.model_dump(by_alias=True, mode="json", exclude_none=True)


@of_each
@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26"])
async def test_a_link_becomes_text_that_says_where_it_leads(shop, got, revision):
    *_, link, bare = await got(shop, revision)
    for said in (LINK.title, LINK.uri, LINK.description):
        assert said in link["text"]
    assert (link["annotations"], link["_meta"]) == ({"audience": ["user"], "priority": 0.5}, LINK.meta)
    assert BARE.name in bare["text"]
    assert BARE.uri in bare["text"]


@of_each
async def test_audio_becomes_an_embedded_resource_with_the_same_data(shop, got):
    *_, sound, _, _ = await got(shop, "2024-11-05")
    assert (sound["resource"]["blob"], sound["resource"]["mimeType"]) == (DATA, "audio/wav")
    assert sound["resource"]["uri"].startswith("urn:uuid:")
    assert (sound["annotations"], sound["_meta"]) == ({"audience": ["user"], "priority": 0.5}, SOUND.meta)
    assert sound == (await got(shop, "2024-11-05"))[3], "the URI of the same data is the same"


@pytest.mark.parametrize(
    ("tool", "since"), [("read", "2024-11-05"), ("listen", "2025-03-26"), ("listen_at_once", "2025-11-25")]
)
@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_model_is_asked_only_in_content_that_the_revision_has(shop, tool, since, revision):
    exchange = Exchange(version=revision, capabilities=SAMPLING, answer=HEARD)
    shown = await exchange.call(shop, tool)
    assert len(exchange.asked) == (revision >= since)
    if revision < since:
        assert f"requires {since}" in shown
