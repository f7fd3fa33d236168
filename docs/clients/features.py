"""The steps that need no client features: tools, content, progress, resources, prompts."""

from __future__ import annotations

import asyncio
import base64
import gzip

from mcp import Client
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)
from steps import MODERN, WAIT, block_of, check, refused, say, text_of


async def tools(client: Client) -> None:
    say("Tools")
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    check(list(listed), "echo")
    check([icon.mime_type for icon in listed["get-structured-content"].icons or []], "image/png")
    check(text_of(await client.call_tool("echo", {"message": "hello"})), "Echo: hello")
    check(text_of(await client.call_tool("add", {"a": 2, "b": 40})), "The sum of 2 and 40 is 42.")
    bad = await client.call_tool("add", {"a": "two", "b": 40})
    check([bad.is_error], True)
    check(str(await refused(client.call_tool("no-such-tool"))), "no-such-tool")


async def content(client: Client) -> None:
    say("Content types: structured content, image, audio, annotations, resources and links")
    weather = await client.call_tool("get-structured-content", {"location": "Chicago"})
    check(weather.structured_content or {}, "humidity")
    image = block_of(await client.call_tool("getTinyImage"), ImageContent)
    check(base64.b64decode(image.data), b"PNG")
    sound = block_of(await client.call_tool("get-tiny-audio"), AudioContent)
    check(base64.b64decode(sound.data), b"WAVE")
    message = await client.call_tool("annotatedMessage", {"messageType": "error"})
    check(str(block_of(message, TextContent).annotations), "priority=1.0")
    embedded = block_of(await client.call_tool("getResourceReference", {"resourceId": 7}), EmbeddedResource)
    check(str(embedded.resource), "Resource 7")
    link = block_of(await client.call_tool("get-resource-links", {"count": 2}), ResourceLink)
    check(str((await client.read_resource(link.uri)).contents), "plaintext resource")

    say("A file that the server compresses: a resource of the session, if there is one")
    zipped = await client.call_tool("gzip-file-as-resource", {"name": "tea.gz", "data": "data:,Buy%20some."})
    if client.protocol_version == MODERN:
        contents = block_of(zipped, EmbeddedResource).resource
    else:
        check(block_of(zipped, ResourceLink).uri, "session://files/tea.gz")
        (contents,) = (await client.read_resource("session://files/tea.gz")).contents
    assert isinstance(contents, BlobResourceContents)
    check(gzip.decompress(base64.b64decode(contents.blob)), b"Buy some.")


async def progress(client: Client) -> None:
    say("Progress")
    heard: list[float] = []
    begun = asyncio.Event()

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)
        begun.set()

    arguments = {"duration": 0.3, "steps": 3}
    await client.call_tool("longRunningOperation", arguments, progress_callback=heard_progress)
    check([heard], [1, 2, 3])

    say("Cancelling a call: by a notification up to 2025-11-25, by closing its stream since then")
    begun.clear()
    arguments = {"duration": 60, "steps": 120}
    call = asyncio.create_task(
        client.call_tool("longRunningOperation", arguments, progress_callback=heard_progress)
    )
    await asyncio.wait_for(begun.wait(), WAIT)
    call.cancel()
    await asyncio.wait([call])
    check([call.cancelled()], True)


async def resources(client: Client) -> None:
    say("Resources, in pages")
    page = await client.list_resources()
    check([resource.name for resource in page.resources], "Resource 1")
    page = await client.list_resources(cursor=page.next_cursor)
    check([resource.uri for resource in page.resources], "test://static/resource/11")
    (text,) = (await client.read_resource("test://static/resource/1")).contents
    assert isinstance(text, TextResourceContents)
    check(text.text, "plaintext resource")
    (binary,) = (await client.read_resource("test://static/resource/2")).contents
    assert isinstance(binary, BlobResourceContents)
    check(base64.b64decode(binary.blob), b"base64 blob")
    error = await refused(client.read_resource("test://static/resource/101"))
    check(f"{error.code} {error}", "test://static/resource/101")

    say("Templates, with completion of their variables")
    templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
    for template in ("test://static/resource/{id}", "note://{space}/{id}", "session://files/{name}"):
        check(templates, template)
    numbers = ResourceTemplateReference(type="ref/resource", uri="test://static/resource/{id}")
    check((await client.complete(numbers, {"name": "id", "value": "9"})).completion.values, "99")


async def prompts(client: Client) -> None:
    say("Prompts")
    check([prompt.name for prompt in (await client.list_prompts()).prompts], "resource_prompt")
    check(str((await client.get_prompt("simple_prompt")).messages), "without arguments")
    prompt = await client.get_prompt("complex_prompt", {"temperature": "0.5", "style": "formal"})
    check(str(prompt.messages), "style=formal")
    check(str((await client.get_prompt("resource_prompt", {"resourceId": "3"})).messages), "Resource 3")
    check(str((await client.get_prompt("media_prompt")).messages), "audio/wav")

    say("Completion, also depending on earlier arguments")
    reference = PromptReference(type="ref/prompt", name="complex_prompt")
    check((await client.complete(reference, {"name": "style", "value": "f"})).completion.values, "friendly")
    argument = {"name": "temperature", "value": ""}
    fitting = await client.complete(reference, argument, context_arguments={"style": "formal"})
    check([fitting.completion.values], ["0", "0.5"])
