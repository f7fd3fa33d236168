"""What a server has: tools, resources, prompts."""

from __future__ import annotations

from tests.tour.client import LATEST, Session
from tests.tour.page import feature
from tests.tour.wire import Wire


@feature("Tools", "all", "Text, structured content and links; failures that a model can read.")
async def tools(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("A small call is answered as plain JSON.", "add", a=2, b=40)
    await client.call(
        "Structured content fits the tool's output schema.", "get-structured-content", location="Chicago"
    )
    await client.call("Links lead to resources.", "get-resource-links", count=2)
    await client.call("Bad arguments are a result, which the model reads.", "add", a="two", b=40)
    await client.call("An unknown tool is a protocol error.", "no-such-tool")


@feature("Resources", "all", "A hundred of them in pages, read by their URI.")
async def resources(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    page = await client.request("The first page names the next.", "resources/list")
    cursor = page["result"]["nextCursor"]
    wire.learn(cursor, "CURSOR")
    page = await client.request("The cursor leads there.", "resources/list", {"cursor": cursor})
    wire.learn(page["result"]["nextCursor"], "NEXT-CURSOR")
    await client.request("Odd ones are text,", "resources/read", {"uri": "test://static/resource/1"})
    await client.request("even ones binary.", "resources/read", {"uri": "test://static/resource/2"})
    await client.request("Templates have variables.", "resources/templates/list")
    await client.request("What is not there", "resources/read", {"uri": "test://static/resource/101"})


@feature("Prompts and completion", "all", "Messages to begin with, and suggestions while a person types.")
async def prompts(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("What there is:", "prompts/list")
    await client.request(
        "The person types an f.",
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "complex_prompt"},
            "argument": {"name": "style", "value": "f"},
        },
    )
    await client.request(
        "What fits depends on what was chosen before.",
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "complex_prompt"},
            "argument": {"name": "temperature", "value": ""},
            "context": {"arguments": {"style": "formal"}},
        },
    )
    arguments = {"temperature": "0.5", "style": "formal"}
    await client.request(
        "The prompt itself:", "prompts/get", {"name": "complex_prompt", "arguments": arguments}
    )


@feature("Content", "all", "Images, sounds, resources, and for whom each block is. Long data are cut here.")
async def content(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("An image, between two lines of text.", "getTinyImage")
    await client.call("A sound.", "getTinyAudio")
    await client.call("A resource, in the result itself.", "getResourceReference", resourceId=7)
    await client.call(
        "Annotations say for whom a block is, and how important.",
        "annotatedMessage",
        messageType="error",
        includeImage=True,
    )
    prompt = {"name": "resource_prompt", "arguments": {"resourceId": "7"}}
    await client.request("Prompts can hold the same:", "prompts/get", prompt)
    await client.request("resources, sounds, links.", "prompts/get", {"name": "media_prompt"})


@feature("Files of a session", f"to {LATEST}", "Resources that one session made, and that vanish with it.")
async def files_of_a_session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    data = "data:text/plain,Buy%20some%20tea."
    await client.call(
        "A tool makes a file, and links to it.", "gzip-file-as-resource", name="tea.gz", data=data
    )
    params = {"uri": "session://files/tea.gz"}
    reply = await client.begin("It is a resource,", "resources/read", params)
    read = await reply.answer()
    wire.learn(read["result"]["contents"][0]["blob"], "GZIP-AS-BASE64")
    reference = {"type": "ref/resource", "uri": "session://files/{name}"}
    asked = {"ref": reference, "argument": {"name": "name", "value": "t"}}
    await client.request("whose name is suggested.", "completion/complete", asked)
    other = Session(wire, token)
    await other.open("OTHER-SESSION-ID")
    await other.request(
        "Another session does not have it.", "resources/read", {"uri": "session://files/tea.gz"}
    )
