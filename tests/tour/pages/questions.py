"""What a server asks of a client."""

from __future__ import annotations

from tests.tour.client import EVERYTHING, LATEST, MODERN, Modern, Session
from tests.tour.page import feature, is_request
from tests.tour.wire import Message, Wire


@feature(
    "Sampling",
    f"to {LATEST}",
    "During a call, the server samples the client's model.",
    deprecated=("Sampling",),
)
async def sampling(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "sampleLLM", "arguments": {"prompt": "What is the capital of France?"}}
    reply = await client.begin(
        "The response becomes a stream, on which the server sends its request.", "tools/call", params
    )
    question = await reply.until(is_request("sampling/createMessage"))
    content = {"type": "text", "text": "Paris"}
    await client.respond(
        "The client posts its response.",
        question,
        {"role": "assistant", "content": content, "model": "a-model"},
    )
    await reply.answer()


@feature(
    "Elicitation and roots",
    f"2025-06-18 to {LATEST}",
    "The server asks the user to fill in a form, and the client for its roots.",
    deprecated=("Roots",),
)
async def elicitation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "confirm_delete", "arguments": {"filename": "notes.txt"}}
    reply = await client.begin("This tool asks for confirmation.", "tools/call", params)
    question = await reply.until(is_request("elicitation/create"))
    accepted = {"action": "accept", "content": {"confirm": True}}
    await client.respond("The user fills in the form.", question, accepted)
    await reply.answer()
    roots = await client.begin(
        "Roots are requested in the same way.", "tools/call", {"name": "get-roots-list"}
    )
    question = await roots.until(is_request("roots/list"))
    root = {"uri": "file:///home/alice/project", "name": "project"}
    await client.respond("The client lists them.", question, {"roots": [root]})
    await roots.answer()


@feature(
    "Rounds",
    MODERN,
    "No more requests to clients: the result asks, and the client repeats the call with the answer.",
    deprecated=("Roots",),
)
async def rounds(wire: Wire, token: str) -> None:
    client = Modern(wire, token, EVERYTHING)
    arguments = {"filename": "notes.txt"}
    first = await client.call("The first round returns a question.", "confirm_delete", arguments)
    more: Message = {"inputResponses": {"confirmation": {"action": "accept", "content": {"confirm": True}}}}
    if state := first["result"].get("requestState"):
        wire.learn(state, "STATE")
        more["requestState"] = state
    await client.call("The second round sends the answer.", "confirm_delete", arguments, **more)
    await client.call("Roots are requested in the same way.", "get-roots-list", {})
    root = {"uri": "file:///home/alice/project", "name": "project"}
    says = "They come back as structured content, which may be an array in this revision."
    await client.call(says, "get-roots-list", {}, inputResponses={"roots": {"roots": [root]}})


@feature(
    "Sampling with tools",
    LATEST,
    "The client's model may call a tool that the server offers, over several turns.",
    deprecated=("Sampling",),
)
async def sampling_with_tools(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "sample-with-tools", "arguments": {"prompt": "How much is 6 x 7?"}}
    reply = await client.begin("The server sends its request, which offers a tool.", "tools/call", params)
    question = await reply.until(is_request("sampling/createMessage"))
    use = {"type": "tool_use", "id": "use-1", "name": "multiply", "input": {"a": 6, "b": 7}}
    answer: Message = {"role": "assistant", "content": [use], "model": "a-model", "stopReason": "toolUse"}
    await client.respond("The model calls the tool.", question, answer)
    question = await reply.until(is_request("sampling/createMessage"))
    answer = {"role": "assistant", "content": {"type": "text", "text": "It is 42."}, "model": "a-model"}
    await client.respond("With the result of the tool, the model answers.", question, answer)
    await reply.answer()


@feature(
    "A page to visit",
    LATEST,
    "Elicitation in URL mode: sensitive data is entered on a web page, not in the client.",
)
async def a_page_to_visit(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    arguments = {"url": "https://example.com/terms", "elicitationId": "visit-1"}
    params = {"name": "trigger-url-elicitation", "arguments": arguments}
    reply = await client.begin("The server sends the URL of the page.", "tools/call", params)
    question = await reply.until(is_request("elicitation/create"))
    says = "The user agrees to open it; the server reports when the visit is complete."
    await client.respond(says, question, {"action": "accept"})
    await reply.answer()
    params = {**params, "arguments": {**arguments, "errorPath": True}}
    await client.request("A server may also refuse to continue before the visit.", "tools/call", params)
