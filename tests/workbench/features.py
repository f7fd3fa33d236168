"""How each feature of docs/features.md is tried in the workbench: where, how, and what then shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.workbench.page import Page, place

Doing = Callable[[Page], object]


FIRST, CURRENT, MODERN = "2024-11-05", "2025-11-25", "2026-07-28"


@dataclass(frozen=True)
class Part:
    """A text that shows at some revisions only, from the first to the last."""

    text: str
    first: str = FIRST
    last: str = MODERN


Parts = tuple[str | Part, ...]


@dataclass(frozen=True)
class Try:
    """One visit of the workbench.

    Args:
        fragment: The place.
        do: What a person does there; by default, nothing.
        page: What the page then says.
        wire: What is in the exchanges since.
        later: From which revision on another visit shows the same.
    """

    fragment: str
    do: Doing = lambda page: None
    page: Parts = ()
    wire: Parts = ()
    later: tuple[tuple[str, Try], ...] = ()

    def at(self, revision: str) -> Visit:
        """What to do and to see at a revision."""
        visit = self
        for first, other in self.later:
            if revision >= first:
                visit = other
        fragment = re.sub(r"(?<=[?&]rev=)[\d-]+", revision, visit.fragment)
        return Visit(fragment, visit.do, _texts(visit.page, revision), _texts(visit.wire, revision))

    @property
    def own_revision(self) -> str:
        """That of its place."""
        found = re.search(r"[?&]rev=([\d-]+)", self.fragment)
        assert found is not None
        return found[1]


@dataclass(frozen=True)
class Visit:
    """A `Try` at a revision."""

    fragment: str
    do: Doing
    page: tuple[str, ...]
    wire: tuple[str, ...]


def _texts(parts: Parts, revision: str) -> tuple[str, ...]:
    found = [Part(part) if isinstance(part, str) else part for part in parts]
    return tuple(part.text for part in found if part.first <= revision <= part.last)


def _ran(state: str = "done", answer: str | None = None, times: int = 1) -> Doing:
    """Run, answer the questions that come, and wait for the end."""

    def do(page: Page) -> None:
        page.run()
        for _ in range(times if answer else 0):
            page.press(answer or "", "es-questions")
        page.wait_for_call(state)

    return do


def _pressed(*labels: str, then: str = "") -> Doing:
    def do(page: Page) -> None:
        for label in labels:
            page.press(label, "main")
        if then:
            page.wait_for(then)

    return do


def _tool(
    name: str,
    args: Any = None,
    *,
    revision: str = "2025-11-25",
    do: Doing | None = None,
    page: Parts = (),
    wire: Parts = (),
    later: tuple[tuple[str, Try], ...] = (),
) -> Try:
    return Try(place("tools", name, revision=revision, args=args), do or _ran(), page, wire, later)


def _raw(message: Any, *says: str, revision: str = MODERN) -> Try:
    return Try(place("raw", revision=revision, args=message), _pressed("Send as typed", then="HTTP "), says)


def _task(page: Page, *, until: str = "Done", answer: str | None = None, cancel: bool = False) -> None:
    """Run what becomes a task, follow it, and wait for its end."""
    page.run()
    page.wait_for_call()
    page.press("follow task", "main")
    page.wait_for("Tasks")
    if answer:
        page.press(answer, "es-questions")
    if cancel:
        page.press("Cancel", "main")
    page.wait_for(until)


def _listened(page: Page) -> None:
    page.run()
    page.wait_for_call()
    page.press("follow task", "main")
    page.press("Listen", "main")
    page.wait_for("Done")


def _cancelled(page: Page) -> None:
    page.run()
    page.wait_for("1 of 60")
    page.press("Cancel", ".wb-call")
    page.wait_for_call("cancelled")


def _cut(page: Page) -> None:
    page.run()
    page.wait_for("1 of 3")
    page.press("Break it", ".wb-call")
    page.press("Cut this stream", ".wb-call")
    page.press("Resume here", ".wb-call")
    page.wait_for_call()


def _killed(page: Page) -> None:
    """Run what becomes a task, kill the process that runs it, and wait for its end."""
    page.run()
    process = page.wait_for_call().partition(" on ")[2] or page.text
    name = next(word for word in process.split() if word in {"p1", "p2", "p3"})
    page.press("follow task", "main")
    page.wait_for("Working")
    page.press("Break it", ".wb-strip")
    page.press(f"Kill {name}", ".wb-strip")
    page.wait_for("Done")


def _stepped_up(page: Page) -> None:
    page.run()
    page.press("Sign in for more access", "dialog")
    page.consent(None)
    page.wait_for_call()


def _completed(page: Page) -> None:
    """Type into the field of an argument, and wait for what the server suggests."""
    page.evaluate("document.querySelector('.wb-place input[role=combobox]').focus()")
    page.browser.press("0")
    page.wait_for("0.5")


def _level_set(page: Page) -> None:
    page.evaluate(
        "(() => { const menu = document.querySelector('#wb-level'); menu.value = 'debug';"
        " menu.dispatchEvent(new Event('change')); })()"
    )
    page.wait_for("The level is debug.", "Logging level set to: debug")


def _deleted(page: Page) -> None:
    page.press("Delete the session", "main")
    page.wait_for_wire("DELETE")


LONG = {"duration": 60, "steps": 60}
SHORT = {"duration": 1.5, "steps": 3}
TEXT_RESOURCE = "test://static/resource/1"
RAW_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def _call(tool: str, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, **more}}


ADD = _tool("add", {"a": 2, "b": 40}, page=("The sum of 2 and 40 is 42.",))
ADD_MODERN = _tool(
    "add",
    {"a": 2, "b": 40},
    revision=MODERN,
    page=("The sum of 2 and 40 is 42.",),
    wire=("Mcp-Method", "Mcp-Name", "io.modelcontextprotocol/clientCapabilities", "resultType", "serverInfo"),
)
PROGRESS = _tool("longRunningOperation", SHORT, page=("completed",), wire=("notifications/progress",))
PRIMED = _tool("longRunningOperation", SHORT, page=("completed",), wire=('"retry": 3000',))
SESSION = Try(
    place("session", revision="2025-11-25"),
    _pressed("New session"),
    (),
    ("initialize", Part("Mcp-Session-Id", first="2025-03-26")),
)
DISCOVERY = Try(
    place("session", revision=MODERN),
    _pressed("Discover again"),
    ("Everything Server",),
    ("server/discover",),
)
NAMED = Try(
    place("session", revision="2025-11-25"),
    _pressed("New session"),
    ("Everything Server",),
    ("serverInfo", "instructions", Part('"icons"', first="2025-11-25")),
    later=((MODERN, DISCOVERY),),
)
SIGN_IN = Try(
    place("session", revision="2025-11-25"),
    Page.sign_in_anew,
    (),
    (
        "resource_metadata",
        "oauth-protected-resource",
        "code_challenge_methods_supported",
        "/token",
        "/revoke",
    ),
)
READ = Try(place("resources", TEXT_RESOURCE, revision="2025-11-25"), _ran(), ("plaintext resource",))
LISTED = ("tools/list", "nextCursor", Part("title", first="2025-06-18"), Part("icons", first="2025-11-25"))
LISTS = Try(
    place("session", revision="2025-11-25"),
    _pressed("New session"),
    (),
    LISTED,
    later=((MODERN, Try(place("session", revision=MODERN), _pressed("Discover again"), (), LISTED)),),
)
SAMPLED = _tool("sampleLLM", {"prompt": "tea"}, do=_ran(answer="Echo"), page=("LLM sampling result",))
WEATHER = _tool(
    "get-structured-content", {"location": "Chicago"}, page=("Matches",), wire=("structuredContent",)
)
NOTE = _tool(
    "create-note",
    {"title": "Tea", "text": "Buy some."},
    page=("Created note",),
    wire=(Part("list_changed", last=CURRENT),),
)


def _changed(kind: str, tool: str, args: Any = None) -> Try:
    """A tool that changes a list; since 2026-07-28, who wants to know has to listen."""

    def listen_and_run(page: Page) -> None:
        back = page.evaluate("location.hash")
        page.go(place("session"))
        page.press("Open a listen stream", "main")
        page.wait_for_exchange("subscriptions/acknowledged")
        page.go(back)
        _ran()(page)

    wire = (f"notifications/{kind}/list_changed",)
    listening = _tool(tool, args, revision=MODERN, do=listen_and_run, wire=wire)
    return _tool(tool, args, wire=wire, later=((MODERN, listening),))


MEDIA = Try(
    place("prompts", "media_prompt", revision="2025-11-25"),
    _ran(),
    ("audio/wav",),
    (Part("resource_link", first="2025-06-18"),),
)
COMPLETION = Try(
    place("prompts", "complex_prompt", revision="2025-11-25", args={"style": "formal"}),
    _completed,
    (),
    ("completion/complete", Part('"context"', first="2025-06-18")),
)
VISIT = _tool(
    "trigger-url-elicitation",
    do=_ran(answer="Accept without opening"),
    page=("agreed to open",),
    wire=(Part("notifications/elicitation/complete", last=CURRENT),),
)
FOLLOWED = _tool(
    "slow_compute",
    {"seconds": 1},
    revision=MODERN,
    do=_task,
    page=("computed for 1 second",),
    wire=("tasks/get",),
)
LISTEN = Try(
    place("session", revision=MODERN),
    _pressed("Open a listen stream", then="subscriptions/acknowledged"),
    (),
    ("subscriptions/listen",),
)
SKILL = Try(
    place("skills", "skill://try-everything/SKILL.md", revision=MODERN),
    _pressed("Get the entry", "Read the instructions", "List the folder", then="references/"),
    (),
    ("skills/get", "resources/directory/read"),
)
ASKED = _tool("elicitInputs", do=_ran(answer="Decline"), page=('"decline"',), wire=("elicitation/create",))

TRIES: dict[str, Try | tuple[Try, ...]] = {
    "HTTP+SSE: one event stream, and messages that are posted separately (deprecated)": _tool(
        "echo", {"message": "tea"}, revision="2024-11-05", page=("Echo: tea",), wire=("/message?sessionId=",)
    ),
    "Streamable HTTP: one endpoint, with JSON or a stream as response": ADD,
    "A stream for messages from the server, by GET": SESSION,
    "Sessions (`Mcp-Session-Id`), served by any process": SESSION,
    "Ending a session by DELETE, then 404": Try(
        place("session", revision="2025-11-25"), _deleted, (), ("DELETE",)
    ),
    "Resumption with `Last-Event-ID`, exactly once and in order": _tool(
        "longRunningOperation", SHORT, do=_cut, page=("completed",), wire=("Last-Event-ID",)
    ),
    "JSON-RPC batches": _raw(
        [
            {"jsonrpc": "2.0", "id": 101, "method": "ping"},
            {"jsonrpc": "2.0", "id": 102, "method": "tools/list"},
        ],
        "HTTP 200",
        '"id":101',
        '"id":102',
        revision="2025-03-26",
    ),
    "Polling: the server closes a stream, and the client reconnects (SEP-1699)": _tool(
        "test_reconnection", page=("completed successfully",), wire=("Last-Event-ID",)
    ),
    "A priming event at the start of a stream (SEP-1699)": PRIMED,
    "The `MCP-Protocol-Version` header": _tool("echo", {"message": "tea"}, wire=("MCP-Protocol-Version",)),
    "No sessions, no event ids: each request stands alone": ADD_MODERN,
    "`Mcp-Method` and `Mcp-Name` agree with the body (SEP-2243)": ADD_MODERN,
    "Parameters repeated in headers, `x-mcp-header` (SEP-2243)": _tool(
        "test_x_mcp_header", {"region": "eu"}, revision=MODERN, wire=("Mcp-Param-",)
    ),
    "Initialization and version negotiation": SESSION,
    "Every revision is greeted alike": SESSION,
    "Name, title, icons, version and instructions of the server": NAMED,
    "Discovery without a handshake": DISCOVERY,
    "Revision and capabilities in the `_meta` of each request": ADD_MODERN,
    "An unsupported revision gets -32022, with the supported ones": _raw(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/list",
            "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "1999-01-01"}},
        },
        "HTTP 400",
    ),
    "`resultType` in each result": ADD_MODERN,
    "Name and version of the server in the `_meta` of each result": ADD_MODERN,
    "A removed method gets 404 and -32601": _raw(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "ping",
            "params": {"_meta": RAW_META},
        },
        "HTTP 404",
        "-32601",
    ),
    "A missing client capability gets -32021, which names it": _raw(
        _call("test_missing_capability", _meta=RAW_META),
        "HTTP 400",
        "-32021",
    ),
    "`ping`": Try(
        place("session", revision="2025-11-25"), _pressed("Ping", then="Answered by"), (), ('"ping"',)
    ),
    "Progress": PROGRESS,
    "Progress with a message": _tool(
        "slow_compute",
        {"seconds": 1},
        page=("computed for 1 second",),
        wire=("Computing slow",),
        later=((MODERN, _tool("test_tool_with_progress", revision=MODERN, wire=("Completed 50 of 100",))),),
    ),
    "Cancellation by a notification": _tool(
        "longRunningOperation", LONG, do=_cancelled, wire=("notifications/cancelled",)
    ),
    "Cancellation by closing the stream": _tool("longRunningOperation", LONG, revision=MODERN, do=_cancelled),
    "Pagination with opaque cursors": LISTS,
    "Multi-round-trip requests: results that ask for input (SEP-2322)": _tool(
        "elicitInputs",
        revision=MODERN,
        do=_ran(answer="Decline"),
        page=('"decline"',),
        wire=("inputRequests", "inputResponses"),
    ),
    "A sealed `requestState` that every process can open": _tool(
        "test_input_required_result_request_state",
        revision=MODERN,
        do=_ran("failed", answer="Decline"),
        wire=("requestState",),
    ),
    "Subscriptions on one stream, acknowledged first": LISTEN,
    "Caching hints, `ttlMs` and `cacheScope` (SEP-2549)": Try(
        place("resources", TEXT_RESOURCE, revision=MODERN), _ran(), (), ("ttlMs", "cacheScope")
    ),
    "`_meta` on tools and results": WEATHER,
    "Listing and calling": ADD,
    "A stable order of lists": DISCOVERY,
    "Images": _tool("getTinyImage", page=("image/png",)),
    "Audio": _tool("get-tiny-audio", page=("audio/wav",)),
    "Embedded resources": _tool("getResourceReference", {"resourceId": 7}, page=("Resource 7",)),
    "Links to resources": _tool("get-resource-links", {"count": 2}, page=(TEXT_RESOURCE,)),
    "Content annotations: audience and priority": _tool(
        "annotatedMessage", {"messageType": "error"}, page=("priority 1",)
    ),
    "Tool annotations: what a tool may change": _tool(
        "delete-note", {"noteId": "none"}, do=lambda page: None, page=("may destroy",)
    ),
    "Titles": LISTS,
    "Output schemas and structured content": WEATHER,
    "Structured content that is not an object (SEP-2106)": _tool(
        "get-roots-list", revision=MODERN, do=_ran(answer="Send the list"), wire=("structuredContent",)
    ),
    "Icons (SEP-973)": LISTS,
    "JSON Schema 2020-12 (SEP-1613, SEP-2106)": _tool(
        "json_schema_2020_12_tool", do=lambda page: None, page=("Run",)
    ),
    "A failed tool returns a result that the model can read": _tool(
        "test_error_handling", do=_ran("failed"), page=("Tool error",), wire=('"isError":true',)
    ),
    "So do invalid arguments (SEP-1303)": _tool(
        "add", {"a": "two", "b": 40}, do=_pressed("Run", "Send anyway", then="Tool error")
    ),
    "An unknown tool is a protocol error": Try(
        place("raw", revision=CURRENT, args=_call("no-such-tool")),
        _pressed("Send as typed", then="HTTP "),
        wire=("-32602", "no-such-tool"),
        later=((MODERN, _raw(_call("no-such-tool", _meta=RAW_META), "-32602", "no-such-tool")),),
    ),
    "Notifications about changes of the list": (
        _changed("tools", "test_trigger_tool_change"),
        _changed("resources", "create-note", {"title": "Tea", "text": "Buy some."}),
        _changed("prompts", "test_trigger_prompt_change"),
    ),
    "Listing and reading, text and binary": READ,
    "Templates": Try(
        place("templates", "test://static/resource/{id}", revision="2025-11-25", args={"id": "3"}),
        _ran(),
        ("Resource 3",),
    ),
    "Titles of resources and templates": LISTS,
    "Icons of resources and templates (SEP-973)": LISTS,
    "`lastModified`, audience and `size` of a resource": NOTE,
    "Subscriptions to a resource": Try(
        place("resources", TEXT_RESOURCE, revision="2025-11-25"),
        _pressed("Subscribe", then="Subscribed"),
        (),
        ("resources/subscribe",),
    ),
    "Subscriptions to resources on a listen stream": Try(
        place("resources", TEXT_RESOURCE, revision=MODERN),
        _pressed("Listen for changes", then="Subscribed"),
        (),
        ("resourceSubscriptions",),
    ),
    "Resources of one user": NOTE,
    "Results that must not be cached": NOTE,
    "Resources of one session": _tool(
        "gzip-file-as-resource", {"name": "tea.gz", "data": "data:,tea"}, page=("session://files/tea.gz",)
    ),
    "An unknown resource: -32002, since 2026-07-28 -32602": Try(
        place("resources", "test://static/resource/101", revision="2025-11-25"),
        _ran("failed"),
        (Part("-32002", last=CURRENT), Part("-32602", first=MODERN)),
    ),
    "Prompts": Try(place("prompts", "simple_prompt", revision="2025-11-25"), _ran(), ("without arguments",)),
    "Arguments, several turns, an image": Try(
        place(
            "prompts", "complex_prompt", revision="2025-11-25", args={"temperature": "0.5", "style": "formal"}
        ),
        _ran(),
        ("style=formal", "image/png"),
    ),
    "An embedded resource in a prompt": Try(
        place("prompts", "resource_prompt", revision="2025-11-25", args={"resourceId": "3"}),
        _ran(),
        ("Resource 3",),
    ),
    "Audio in a prompt": MEDIA,
    "A link to a resource in a prompt": MEDIA,
    "Titles and icons of prompts (SEP-973)": LISTS,
    "A prompt that asks for input": Try(
        place("prompts", "test_input_required_result_prompt", revision=MODERN),
        _ran("failed", answer="Decline"),
        (),
        ("inputResponses",),
    ),
    "Completion of arguments and template variables": COMPLETION,
    "Completion that depends on earlier arguments": COMPLETION,
    "Log messages at or above a level set for the session (deprecated)": Try(
        place("session", revision="2025-11-25"), _level_set, (), ("logging/setLevel",)
    ),
    "Log messages for a request that asked for them (deprecated)": _tool(
        "test_logging_tool", revision=MODERN
    ),
    "Sampling (deprecated)": SAMPLED,
    "Sampling with the context of servers (deprecated)": SAMPLED,
    "Sampling with tools (SEP-1577) (deprecated)": _tool(
        "sample-with-tools",
        {"prompt": "What is 2 times 3?"},
        do=_ran(answer="Echo"),
        wire=("sampling/createMessage",),
    ),
    "Elicitation with a form": ASKED,
    "Defaults of every type (SEP-1034)": _tool("test_elicitation_sep1034_defaults", do=_ran(answer="Accept")),
    "Enums with and without titles, single and multiple choice (SEP-1330)": _tool(
        "test_elicitation_sep1330_enums", do=_ran(answer="Decline")
    ),
    "Elicitation in URL mode (SEP-1036)": VISIT,
    "The error that requires URL elicitation, -32042": _tool(
        "trigger-url-elicitation", {"errorPath": True}, do=_ran("failed"), page=("-32042",)
    ),
    "`notifications/elicitation/complete`": VISIT,
    "Roots (deprecated)": _tool("get-roots-list", do=_ran(answer="Send the list"), wire=("roots/list",)),
    "The response may arrive at a different process than the one that asked": SAMPLED,
    "OAuth 2.1: authorization code with PKCE, refresh": SIGN_IN,
    "Metadata of the authorization server (RFC 8414)": SIGN_IN,
    "Metadata of the protected resource (RFC 9728)": SIGN_IN,
    "The challenge that names the metadata": SIGN_IN,
    "Tokens bound to the resource (RFC 8707)": SIGN_IN,
    "Dynamic registration (RFC 7591) (deprecated)": SIGN_IN,
    "Step-up: more scopes when a tool needs them (SEP-835)": _tool(
        "describe-server", do=_stepped_up, page=("everything-server",), wire=("insufficient_scope",)
    ),
    "The issuer in the authorization response (RFC 9207, SEP-2468)": SIGN_IN,
    "Revocation, effective immediately": SIGN_IN,
    "Tasks: a call that outlives its request": FOLLOWED,
    "Questions of a task": _tool(
        "confirm_delete",
        {"filename": "tea.txt"},
        revision=MODERN,
        do=lambda page: _task(page, answer="Decline"),
        page=("was kept",),
        wire=("tasks/update",),
    ),
    "Cancelling a task": _tool(
        "slow_compute",
        {"seconds": 60},
        revision=MODERN,
        do=lambda page: _task(page, until="Cancelled", cancel=True),
        wire=("tasks/cancel",),
    ),
    "Status notifications": _tool(
        "slow_compute", {"seconds": 3}, revision=MODERN, do=_listened, wire=("notifications/tasks",)
    ),
    "Tool errors and protocol errors": _tool(
        "protocol_error_job", revision=MODERN, do=lambda page: _task(page, until="Failed")
    ),
    "A round trip before the task is created": _tool(
        "test_tool_with_task",
        revision=MODERN,
        do=_ran(answer="Decline"),
        wire=("inputResponses",),
    ),
    "A task survives the process that ran it": _tool(
        "slow_compute", {"seconds": 5}, revision=MODERN, do=_killed, page=("computed for 5 seconds",)
    ),
    "Skills: listed in pages, and fetched one by one": SKILL,
    "Files of skills as resources": SKILL,
    "Directories": SKILL,
    "Apps: a tool with a page that the host shows": _tool(
        "mcp_apps_hello_world", page=("Messages of the bridge",), wire=("ui://hello-world/app.html",)
    ),
}

ELSEWHERE = {
    "Foreign hosts and origins are rejected": "Browsers set Host and Origin themselves.",
    "Web pages from other origins as clients (CORS)": "It needs a page of another origin.",
    "Trace context in `_meta` is continued if spans are collected (SEP-414)": "It needs a trace collector.",
    "Graceful closure: a listen stream that the server ends gets a result": "The relay only kills.",
    "Client ID metadata documents (SEP-991)": "It needs a document at a public https address.",
    "A lost task that is not safe to repeat fails with a reason": "slow_compute shows the kill.",
}
"""What cannot be tried in the workbench, and why."""
