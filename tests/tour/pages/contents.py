"""What a server has: tools, resources, prompts."""

from __future__ import annotations

from tests.tour.client import LATEST, Session
from tests.tour.page import feature, prepare
from tests.tour.wire import Wire


@feature(
    "Tools",
    "all",
    "A tool returns text, structured content or links. Its errors are written for the model to read.",
    run=prepare("tools/add", LATEST, a=2, b=40),
)
async def tools(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("A quick call is answered with plain JSON.", "add", a=2, b=40)
    await client.call(
        "Structured content matches the output schema of the tool, and is also there as text.",
        "get-structured-content",
        location="Chicago",
    )
    await client.call(
        "A result can link to resources, which the client reads when it needs them.",
        "get-resource-links",
        count=2,
    )
    await client.call(
        "Invalid arguments give a result with `isError`, so that the model can read what is wrong "
        "and try again.",
        "add",
        a="two",
        b=40,
    )
    await client.call(
        "An unknown tool is a protocol error, since it is the client's mistake and not the model's.",
        "no-such-tool",
    )


@feature(
    "Resources",
    "all",
    "The server has a hundred resources. Clients list them in pages and read them by their URI.",
    run=prepare("resources/test://static/resource/1", LATEST),
)
async def resources(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    page = await client.request("The first page ends with a cursor.", "resources/list")
    cursor = page["result"]["nextCursor"]
    wire.learn(cursor, "CURSOR")
    page = await client.request("The cursor fetches the next page.", "resources/list", {"cursor": cursor})
    wire.learn(page["result"]["nextCursor"], "NEXT-CURSOR")
    await client.request(
        "Resources with odd numbers are text.", "resources/read", {"uri": "test://static/resource/1"}
    )
    await client.request(
        "Resources with even numbers are binary, and travel as Base64.",
        "resources/read",
        {"uri": "test://static/resource/2"},
    )
    await client.request("Resource templates are URIs with variables.", "resources/templates/list")
    await client.request(
        "A resource that does not exist is a protocol error.",
        "resources/read",
        {"uri": "test://static/resource/101"},
    )


@feature(
    "Prompts and completion",
    "all",
    "Prompts are messages that a user can pick. While the user fills in their arguments, the server "
    "suggests values.",
    run=prepare("prompts/complex_prompt", LATEST),
)
async def prompts(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("The client lists the prompts and their arguments.", "prompts/list")
    await client.request(
        "The user types an f, and the server suggests what begins with it.",
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "complex_prompt"},
            "argument": {"name": "style", "value": "f"},
        },
    )
    await client.request(
        "Suggestions can depend on the arguments that were filled in before.",
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "complex_prompt"},
            "argument": {"name": "temperature", "value": ""},
            "context": {"arguments": {"style": "formal"}},
        },
    )
    arguments = {"temperature": "0.5", "style": "formal"}
    await client.request(
        "The client gets the prompt with its arguments filled in: two messages and an image.",
        "prompts/get",
        {"name": "complex_prompt", "arguments": arguments},
    )


@feature(
    "Content",
    "all",
    "Results and prompts hold more than text: images, audio, embedded resources, and notes on who "
    "they are for.",
    run=prepare("tools/getTinyImage", LATEST),
)
async def content(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.call("An image stands between two lines of text.", "getTinyImage")
    await client.call("A tenth of a second of audio is a WAV file as Base64.", "get-tiny-audio")
    await client.call(
        "A resource can be embedded in the result, so that the client need not read it.",
        "getResourceReference",
        resourceId=7,
    )
    await client.call(
        "Annotations say who a block is for, and how important it is.",
        "annotatedMessage",
        messageType="error",
        includeImage=True,
    )
    prompt = {"name": "resource_prompt", "arguments": {"resourceId": "7"}}
    await client.request("A prompt can embed a resource, too.", "prompts/get", prompt)
    await client.request(
        "A prompt can also hold audio and links to resources.", "prompts/get", {"name": "media_prompt"}
    )


@feature(
    "Session files",
    f"to {LATEST}",
    "Some resources belong to one session and are deleted with it.",
    run=prepare(
        "tools/gzip-file-as-resource", LATEST, name="tea.gz", data="data:text/plain,Buy%20some%20tea."
    ),
)
async def files_of_a_session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    data = "data:text/plain,Buy%20some%20tea."
    await client.call(
        "A tool compresses some text into a file and returns a link to it.",
        "gzip-file-as-resource",
        name="tea.gz",
        data=data,
    )
    params = {"uri": "session://files/tea.gz"}
    reply = await client.begin("The file is a resource of this session.", "resources/read", params)
    read = await reply.answer()
    wire.learn(read["result"]["contents"][0]["blob"], "GZIP-AS-BASE64")
    reference = {"type": "ref/resource", "uri": "session://files/{name}"}
    asked = {"ref": reference, "argument": {"name": "name", "value": "t"}}
    await client.request("The server completes the names of files.", "completion/complete", asked)
    other = Session(wire, token)
    await other.open("OTHER-SESSION-ID")
    await other.request(
        "In another session, the file does not exist.", "resources/read", {"uri": "session://files/tea.gz"}
    )
