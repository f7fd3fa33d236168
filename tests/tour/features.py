"""The tour: a function a page, in order, which drives the server and says what is to be seen."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from mcp_app.extensions.skills.extension import IDENTIFIER as SKILLS
from mcp_app.extensions.tasks.extension import IDENTIFIER as TASKS
from tests.support.browser import Browser
from tests.tour.client import EVERYTHING, LATEST, MODERN, Modern, Session
from tests.tour.wire import Message, Wire

Visit = Callable[[Wire, str], Awaitable[None]]
"""Drives the server, given the wire and an access token."""


@dataclass(frozen=True)
class Feature:
    """One page of the tour."""

    name: str
    title: str
    revisions: str
    about: str
    visit: Visit


FEATURES: list[Feature] = []
CALLBACK = "http://127.0.0.1:33418/callback"


def feature(title: str, revisions: str, about: str) -> Callable[[Visit], Visit]:
    def add(visit: Visit) -> Visit:
        name = visit.__name__.replace("_", "-")
        FEATURES.append(Feature(name, title, revisions, about, visit))
        return visit

    return add


def is_request(method: str) -> Callable[[Message], bool]:
    return lambda message: message.get("method") == method


def is_status(status: str) -> Callable[[Message], bool]:
    return lambda message: message.get("params", {}).get("status") == status


@feature(
    "Sign in",
    "since 2025-03-26",
    "From nothing but the server's URL to an access token, as a client finds its way.",
)
async def sign_in(wire: Wire, token: str) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    refused = await wire.send(
        "Without a token there is a challenge, which says where to look.", "POST", "/mcp", body=ping
    )
    await refused.empty()
    resource = await wire.send(
        "The resource says who issues its tokens.", "GET", "/.well-known/oauth-protected-resource/mcp"
    )
    await resource.json()
    server = await wire.send(
        "The authorization server says what it can do.", "GET", "/.well-known/oauth-authorization-server"
    )
    endpoints = await server.json()
    metadata = {"client_name": "Tour", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    registered = await wire.send(
        "The client registers itself. (With a client ID metadata document it would not need to.)",
        "POST",
        endpoints["registration_endpoint"],
        body=metadata,
    )
    client = await registered.json()
    wire.learn(client["client_id"], "CLIENT-ID")
    wire.learn(str(client["client_id_issued_at"]), "TIME")
    if "registration_access_token" in client:
        wire.learn(client["registration_access_token"], "REGISTRATION-TOKEN")

    verifier = "a-secret-of-the-client-that-it-makes-anew-for-each-sign-in"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "STATE",
        "scope": "mcp",
        "resource": endpoints["issuer"].rstrip("/") + "/mcp",
    }
    url = f"{endpoints['authorization_endpoint']}?{urlencode(query, quote_via=quote)}"
    sent = await wire.send("It sends the person's browser here, which is sent on to sign in.", "GET", url)
    wire.learn(parse_qs(urlsplit(sent.headers["location"]).query).get("state", ["-"])[0], "SIGN-IN")
    await sent.empty()
    async with Browser("alice") as browser:
        back = urlsplit(await browser.authorize(url, CALLBACK))
    code = parse_qs(back.query)["code"][0]
    wire.learn(code, "CODE")
    wire.note(
        "The person signs in and consents; the browser comes back to the client with a code.",
        f"GET {back.path}?{back.query} HTTP/1.1\nHost: {back.netloc}",
    )
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "client_id": client["client_id"],
        "redirect_uri": CALLBACK,
        "resource": query["resource"],
    }
    answer = await wire.send("The client redeems the code.", "POST", endpoints["token_endpoint"], form=form)
    tokens = await answer.json()
    wire.learn(tokens["access_token"], "ACCESS-TOKEN")
    wire.learn(tokens["refresh_token"], "REFRESH-TOKEN")


@feature(
    "A session",
    f"2025-03-26 to {LATEST}",
    "Opened by a handshake, served by any process of the server, and ended.",
)
async def session(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("Every request carries the session's id.", "tools/list")
    ended = await wire.send("The client ends the session.", "DELETE", "/mcp", headers=client.headers)
    await ended.empty()
    await (await client.begin("Then it is unknown.", "ping")).json()


@feature("No session", MODERN, "Each request says which revision it speaks and what its client can do.")
async def no_session(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.request("The server says what it offers, and for how long that is good.", "server/discover")
    await client.call("A call needs nothing before it.", "echo", {"message": "hello"})
    params = {"name": "echo", "arguments": {"message": "hello"}}
    await client.request("The headers must agree with the body.", "tools/call", params, name="add")


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


@feature("Progress", "all", "A call that takes its time is answered with a stream.")
async def progress(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request(
        "The client gives a token, under which it hears of progress.",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 0.4, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )


@feature("Resumption", f"2025-03-26 to {LATEST}", "A stream that broke goes on where it was, at any process.")
async def resumption(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call is under way,",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 1, "steps": 2},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    await reply.leave()
    resumed = await client.listen(
        "and the connection breaks. The client names the last event that it has seen.",
        **{"Last-Event-ID": reply.last_event_id},
    )
    await resumed.answer()


@feature("Cancellation", f"2025-03-26 to {LATEST}", "A call that is cancelled stops, and is not answered.")
async def cancellation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    reply = await client.begin(
        "A call that would take a minute,",
        "tools/call",
        {
            "name": "longRunningOperation",
            "arguments": {"duration": 60, "steps": 120},
            "_meta": {"progressToken": "p"},
        },
    )
    await reply.until(is_request("notifications/progress"))
    params = {"requestId": 1, "reason": "The person changed their mind"}
    await client.notify("is not wanted any more.", "notifications/cancelled", params)


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


@feature(
    "Subscriptions", f"to {LATEST}", "Notes are resources of one person; who subscribes hears of changes."
)
async def subscriptions(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    uri = await _new_note(
        client.wire, await client.call("A tool makes a note.", "create-note", title="Tea", text="Buy")
    )
    await client.request("The client subscribes to it", "resources/subscribe", {"uri": uri})
    stream = await client.listen("and opens a stream on which the server speaks by itself.")
    note_id = uri.rpartition("/")[2]
    await client.call("The note changes.", "edit-note", noteId=note_id, text="Bought")
    await stream.until(is_request("notifications/resources/updated"))
    await client.request("It is read again.", "resources/read", {"uri": uri})
    await client.call("It goes.", "delete-note", noteId=note_id)


async def _new_note(wire: Wire, answer: Any) -> str:
    (uri,) = (block["uri"] for block in answer["result"]["content"] if block["type"] == "resource_link")
    scheme, _, path = uri.partition("://")
    space, _, note_id = path.partition("/")
    wire.learn(note_id, "NOTE-ID")
    wire.learn(space, "SPACE")
    assert scheme == "note"
    return uri


@feature("Listening", MODERN, "One stream for the changes that a client wants to hear of.")
async def listening(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    wanted = {"notifications": {"resourcesListChanged": True}}
    stream = await client.begin("The client says what it wants to hear of.", "subscriptions/listen", wanted)
    await stream.until(is_request("notifications/subscriptions/acknowledged"))
    made = await client.call("Something changes.", "create-note", {"title": "Tea", "text": "Buy some."})
    uri = await _new_note(wire, made)
    await stream.until(is_request("notifications/resources/list_changed"))
    await client.call("The note goes again.", "delete-note", {"noteId": uri.rpartition("/")[2]})


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


@feature("Logging", f"to {LATEST}", "The server says what it does, from the level on that the client sets.")
async def logging(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    await client.request("From now on only what matters:", "logging/setLevel", {"level": "warning"})
    stream = await client.listen("A stream to hear it on.")
    await client.request(
        "And now everything, of which the first is this change.", "logging/setLevel", {"level": "debug"}
    )
    await stream.until(is_request("notifications/message"))


@feature("Sampling", f"to {LATEST}", "In the middle of a call the server asks the client's model.")
async def sampling(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "sampleLLM", "arguments": {"prompt": "What is the capital of France?"}}
    reply = await client.begin("The call becomes a stream, on which the server asks.", "tools/call", params)
    question = await reply.until(is_request("sampling/createMessage"))
    content = {"type": "text", "text": "Paris"}
    await client.respond(
        "The client posts the answer,",
        question,
        {"role": "assistant", "content": content, "model": "a-model"},
    )
    await reply.answer()


@feature(
    "Elicitation and roots",
    f"2025-06-18 to {LATEST}",
    "The server asks the person, by a form, and the client.",
)
async def elicitation(wire: Wire, token: str) -> None:
    client = Session(wire, token)
    await client.open()
    params = {"name": "confirm_delete", "arguments": {"filename": "notes.txt"}}
    reply = await client.begin("A tool that asks first.", "tools/call", params)
    question = await reply.until(is_request("elicitation/create"))
    accepted = {"action": "accept", "content": {"confirm": True}}
    await client.respond("The person fills in the form.", question, accepted)
    await reply.answer()
    roots = await client.begin(
        "Roots are asked for in the same way.", "tools/call", {"name": "get-roots-list"}
    )
    question = await roots.until(is_request("roots/list"))
    root = {"uri": "file:///home/alice/project", "name": "project"}
    await client.respond("The client names them.", question, {"roots": [root]})
    await roots.answer()


@feature(
    "Rounds",
    MODERN,
    "No requests to clients any more: a result asks, and the client calls again with the answer.",
)
async def rounds(wire: Wire, token: str) -> None:
    client = Modern(wire, token, EVERYTHING)
    arguments = {"filename": "notes.txt"}
    first = await client.call("The first round asks.", "confirm_delete", arguments)
    more: Message = {"inputResponses": {"confirmation": {"action": "accept", "content": {"confirm": True}}}}
    if state := first["result"].get("requestState"):
        wire.learn(state, "STATE")
        more["requestState"] = state
    await client.call("The second brings the answer.", "confirm_delete", arguments, **more)


@feature("Tasks", "extension, SEP-2663", "A call that outlives its request, and the process that runs it.")
async def tasks(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {**EVERYTHING, "extensions": {TASKS: {}}})
    made = await client.call(
        "To a client that knows tasks the call answers with one.", "confirm_delete", {"filename": "notes.txt"}
    )
    task_id = made["result"]["taskId"]
    wire.learn(task_id, "TASK-ID")
    wanted = {"notifications": {"taskIds": [task_id]}}
    stream = await client.begin(
        "The client may listen, or look now and then.", "subscriptions/listen", wanted
    )
    asked = await stream.until(is_status("input_required"), only=True)
    (key,) = asked["params"]["inputRequests"]
    wire.learn(key, "KEY")
    answers = {key: {"action": "accept", "content": {"confirm": True}}}
    await client.request(
        "It answers the task's question.",
        "tasks/update",
        {"taskId": task_id, "inputResponses": answers},
        task_id,
    )
    await stream.until(is_status("completed"), only=True)
    await client.request("The result stays for a while.", "tasks/get", {"taskId": task_id}, task_id)
    slow = await client.call("Another one takes too long,", "slow_compute", {"seconds": 60})
    slow_id = slow["result"]["taskId"]
    wire.learn(slow_id, "SLOW-TASK-ID")
    await client.request("and is cancelled.", "tasks/cancel", {"taskId": slow_id}, slow_id)
    await client.request("It ends there.", "tasks/get", {"taskId": slow_id}, slow_id)


@feature("Skills", "extension, SEP-2640", "Instructions for models, with the files that belong to them.")
async def skills(wire: Wire, token: str) -> None:
    client = Modern(wire, token, {"extensions": {SKILLS: {}}})
    page = await client.request("What there is, in pages:", "skills/list")
    wire.learn(page["result"]["nextCursor"], "CURSOR")
    uri = "skill://try-everything/SKILL.md"
    await client.request("One of them:", "skills/get", {"uri": uri}, uri)
    await client.request("Its files are resources.", "resources/read", {"uri": uri}, uri)
    directory = {"uri": "skill://try-everything"}
    await client.request("And so are its folders.", "resources/directory/read", directory, directory["uri"])


@feature("Apps", "extension, SEP-1865", "A tool with a page of its own, which the host shows in a frame.")
async def apps(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    await client.call("The tool answers as any other.", "mcp_apps_hello_world", {})
    uri = "ui://hello-world/app.html"
    await client.request(
        "Its `_meta` in the list of tools names the page.", "resources/read", {"uri": uri}, uri
    )


@feature("Step-up", "since 2025-11-25", "A tool needs more than the token allows: the client asks for more.")
async def step_up(wire: Wire, token: str) -> None:
    client = Modern(wire, token)
    params = {"name": "describe-server", "arguments": {}}
    says = "The challenge names the scope; with it the client sends the person to consent once more."
    refused = await client.begin(says, "tools/call", params, "describe-server")
    await refused.empty()


@feature(
    "HTTP+SSE", "2024-11-05", "The first revision's transport: one stream to listen, one address to post to."
)
async def http_sse(wire: Wire, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    stream = await wire.send(
        "The stream says first where to post.",
        "GET",
        "/sse",
        headers={**headers, "Accept": "text/event-stream"},
    )
    address = (await stream.until(lambda message: "text" in message))["text"]
    wire.learn(parse_qs(urlsplit(address).query).popitem()[1][0], "SESSION-ID")
    initialize = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "tour", "version": "1"},
        },
    }
    await (
        await wire.send("A post is acknowledged,", "POST", address, body=initialize, headers=headers)
    ).empty()
    await stream.answer()
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await (
        await wire.send("The rest is as ever.", "POST", address, body=initialized, headers=headers)
    ).empty()
    echo = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    call = {**echo, "params": {"name": "echo", "arguments": {"message": "hello"}}}
    await (
        await wire.send(
            "A call, too, is answered on the stream.", "POST", address, body=call, headers=headers
        )
    ).empty()
    await stream.answer()
