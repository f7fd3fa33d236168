"""What a server has: tools, resources, prompts."""

from __future__ import annotations

from tests.tour.client import LATEST, Session
from tests.tour.page import feature
from tests.tour.wire import Wire


@feature("Tools", "all", "Text, structured content and links, and errors that a model can read.")
async def tools(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("A quick call is answered with plain JSON.", "add", a=2, b=40)
    await client.call(
        "Structured content matches the tool's output schema.", "get-structured-content", location="Chicago"
    )
    await client.call("Links point to resources.", "get-resource-links", count=2)
    await client.call(
        "Invalid arguments are reported as a result, so that the model can read it.", "add", a="two", b=40
    )
    await client.call("An unknown tool is a protocol error.", "no-such-tool")


@feature("Resources", "all", "A hundred resources, listed in pages and read by URI.")
async def resources(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    page = await client.request("The first page has a cursor.", "resources/list")
    cursor = page["result"]["nextCursor"]
    wire.learn(cursor, "CURSOR")
    page = await client.request("The cursor fetches the next page.", "resources/list", {"cursor": cursor})
    wire.learn(page["result"]["nextCursor"], "NEXT-CURSOR")
    await client.request(
        "Resources with odd numbers are text,", "resources/read", {"uri": "test://static/resource/1"}
    )
    await client.request(
        "those with even numbers are binary.", "resources/read", {"uri": "test://static/resource/2"}
    )
    await client.request("Resource templates have variables.", "resources/templates/list")
    await client.request(
        "An unknown resource is an error.", "resources/read", {"uri": "test://static/resource/101"}
    )


@feature(
    "Prompts and completion",
    "all",
    "Ready-made messages, and suggestions for their arguments as the user types.",
)
async def prompts(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("The list of prompts:", "prompts/list")
    await client.request(
        "The user types an f.",
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "complex_prompt"},
            "argument": {"name": "style", "value": "f"},
        },
    )
    await client.request(
        "Suggestions depend on the arguments chosen before.",
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


@feature("Content", "all", "Images, audio, embedded resources and annotations. Long data is cut here.")
async def content(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("An image, between two lines of text.", "getTinyImage")
    await client.call("Audio.", "getTinyAudio")
    await client.call("A resource, embedded in the result.", "getResourceReference", resourceId=7)
    await client.call(
        "Annotations give the audience of a block and its priority.",
        "annotatedMessage",
        messageType="error",
        includeImage=True,
    )
    prompt = {"name": "resource_prompt", "arguments": {"resourceId": "7"}}
    await client.request("Prompts can have the same content:", "prompts/get", prompt)
    await client.request("resources, audio, links.", "prompts/get", {"name": "media_prompt"})


@feature(
    "Files of a session", f"to {LATEST}", "Resources that belong to one session and are deleted with it."
)
async def files_of_a_session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    data = "data:text/plain,Buy%20some%20tea."
    await client.call(
        "A tool creates a file and links to it.", "gzip-file-as-resource", name="tea.gz", data=data
    )
    params = {"uri": "session://files/tea.gz"}
    reply = await client.begin("The file is a resource,", "resources/read", params)
    read = await reply.answer()
    wire.learn(read["result"]["contents"][0]["blob"], "GZIP-AS-BASE64")
    reference = {"type": "ref/resource", "uri": "session://files/{name}"}
    asked = {"ref": reference, "argument": {"name": "name", "value": "t"}}
    await client.request("and its name can be completed.", "completion/complete", asked)
    other = Session(wire, token)
    await other.open("OTHER-SESSION-ID")
    await other.request(
        "Another session does not have it.", "resources/read", {"uri": "session://files/tea.gz"}
    )
