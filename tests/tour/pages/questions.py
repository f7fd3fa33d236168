"""What a server asks of a client."""

from __future__ import annotations

from tests.tour.client import EVERYTHING, LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request, prepare
from tests.tour.wire import Message, Wire


@feature(
    "Sampling",
    f"to {LATEST}",
    "During a call, the server asks the client's model.",
    run=prepare("tools/sampleLLM", LATEST, prompt="What is the capital of France?"),
    deprecated=("Sampling",),
)
async def sampling(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "sampleLLM", "arguments": {"prompt": "What is the capital of France?"}}
    reply = await client.begin(
        "The response to the call becomes a stream, on which the server sends its own request.",
        "tools/call",
        params,
    )
    question = await reply.until(is_request("sampling/createMessage"))
    content = {"type": "text", "text": "Paris"}
    await client.respond(
        "The client posts the answer of its model.",
        question,
        {"role": "assistant", "content": content, "model": "a-model"},
    )
    await reply.answer("The tool has what it needs, and the result follows on the same stream.")


@feature(
    "Elicitation and roots",
    f"2025-06-18 to {LATEST}",
    "The server asks the user to fill in a form. It asks the client which folders it works in.",
    run=prepare("tools/confirm_delete", LATEST, filename="notes.txt"),
    deprecated=("Roots",),
)
async def elicitation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "confirm_delete", "arguments": {"filename": "notes.txt"}}
    reply = await client.begin(
        "This tool asks the user for confirmation before it does anything.", "tools/call", params
    )
    question = await reply.until(is_request("elicitation/create"))
    accepted = {"action": "accept", "content": {"confirm": True}}
    await client.respond("The user fills in the form and accepts.", question, accepted)
    await reply.answer("The tool goes on, and its result follows on the stream of the call.")
    roots = await client.begin(
        "Another tool asks for the roots in the same way.", "tools/call", {"name": "get-roots-list"}
    )
    question = await roots.until(is_request("roots/list"))
    root = {"uri": "file:///home/alice/project", "name": "project"}
    await client.respond("The client lists its roots.", question, {"roots": [root]})
    await roots.answer("The result names them.")


@feature(
    "Multi-round requests",
    MODERN,
    "Servers no longer send requests to clients. A result asks, and the client repeats the call "
    "with the answer.",
    run=prepare("tools/confirm_delete", MODERN, filename="notes.txt"),
    deprecated=("Roots",),
)
async def rounds(wire: Wire, token: str) -> None:
    client = Modern(wire, token, EVERYTHING)
    arguments = {"filename": "notes.txt"}
    first = await client.call(
        "The first round returns a question instead of a result.", "confirm_delete", arguments
    )
    more: Message = {"inputResponses": {"confirmation": {"action": "accept", "content": {"confirm": True}}}}
    if state := first["result"].get("requestState"):
        wire.learn(state, "STATE")
        more["requestState"] = state
    await client.call(
        "The second round sends the answer along with the same call.", "confirm_delete", arguments, **more
    )
    await client.call("Another tool asks for the roots in the same way.", "get-roots-list", {})
    root = {"uri": "file:///home/alice/project", "name": "project"}
    says = "The roots come back as structured content. In this revision it can be an array."
    await client.call(says, "get-roots-list", {}, inputResponses={"roots": {"roots": [root]}})


@feature(
    "Sampling with tools",
    LATEST,
    "The server offers a tool to the client's model, which may call it over several turns.",
    run=prepare("tools/sample-with-tools", LATEST, prompt="How much is 6 x 7?"),
    deprecated=("Sampling",),
)
async def sampling_with_tools(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "sample-with-tools", "arguments": {"prompt": "How much is 6 x 7?"}}
    reply = await client.begin("The server asks the model and offers it a tool.", "tools/call", params)
    question = await reply.until(is_request("sampling/createMessage"))
    use = {"type": "tool_use", "id": "use-1", "name": "multiply", "input": {"a": 6, "b": 7}}
    answer: Message = {"role": "assistant", "content": [use], "model": "a-model", "stopReason": "toolUse"}
    await client.respond("The model calls the tool.", question, answer)
    question = await reply.until(
        is_request("sampling/createMessage"),
        says="The server runs the tool and asks again, now with its result.",
    )
    answer = {"role": "assistant", "content": {"type": "text", "text": "It is 42."}, "model": "a-model"}
    await client.respond("The model knows the result of the tool and answers.", question, answer)
    await reply.answer("The call is done, and its result follows on the stream.")


@feature(
    "URL elicitation",
    LATEST,
    "The server sends the user to a web page. What is entered there, the client never sees.",
    run=prepare(
        "tools/trigger-url-elicitation", LATEST, url="https://example.com/terms", elicitationId="visit-1"
    ),
)
async def a_page_to_visit(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    arguments = {"url": "https://example.com/terms", "elicitationId": "visit-1"}
    params = {"name": "trigger-url-elicitation", "arguments": arguments}
    reply = await client.begin("The server asks the user to open a page.", "tools/call", params)
    question = await reply.until(is_request("elicitation/create"))
    await client.respond("The user agrees to open the page.", question, {"action": "accept"})
    await reply.answer("The server reports that the visit is complete, and the result follows.")
    params = {**params, "arguments": {**arguments, "errorPath": True}}
    await client.request(
        "A server can also refuse the call until the user has been there. The error says where to go.",
        "tools/call",
        params,
    )
