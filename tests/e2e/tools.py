"""Arguments for every tool that the server offers, so that a new tool cannot go uncalled.

Calls are short: tools that wait or compute are asked for little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from mcp.types import (
    CallToolResult,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitRequestURLParams,
    ElicitResult,
    ListRootsResult,
    Root,
    SamplingCapability,
    SamplingToolsCapability,
    TextContent,
    Tool,
    ToolUseContent,
)


@dataclass(frozen=True)
class Call:
    """How to call a tool once, and what to find in the text of its answer."""

    text: str = ""
    arguments: dict[str, Any] | None = None
    interactive: bool = False
    """It asks the client for something."""
    since: str = ""
    """The first revision at which it is listed: the one that brought what it needs."""
    until: str = "9999"
    """The last revision at which it is listed."""
    fails: bool = False
    """Its answer is an error by design."""
    scope: str = ""
    """It needs this scope besides; clients step up to it."""
    refused: bool = False
    """It runs as a task only, which the client does not know."""


ELICITATION = "2025-06-18"
MODERN = "2026-07-28"
URL_ELICITATION = LISTS_IN_FORMS = SAMPLING_TOOLS = SESSIONS = "2025-11-25"
ROUNDS = "test_input_required_result_"

CALLS: dict[str, Call] = {
    "describe-server": Call('"everything-server"', scope="mcp:admin"),
    "echo": Call("Echo: hello", {"message": "hello"}),
    "add": Call("The sum of 2 and 40 is 42.", {"a": 2, "b": 40}),
    "longRunningOperation": Call("Duration: 0.2 seconds, Steps: 2.", {"duration": 0.2, "steps": 2}),
    "getTinyImage": Call("The image above is the MCP tiny image."),
    "annotatedMessage": Call(
        "Operation completed successfully", {"messageType": "success", "includeImage": True}
    ),
    "getResourceReference": Call("test://static/resource/7", {"resourceId": 7}),
    "sampleLLM": Call("LLM sampling result: Paris", {"prompt": "Capital of France?"}, interactive=True),
    "elicitInputs": Call('"action": "accept"', interactive=True, since=ELICITATION),
    "get-roots-list": Call("file:///home/alice/project", interactive=True),
    "mcp_apps_hello_world": Call('"greeting":"Hello from MCP Apps!"'),
    "get-structured-content": Call('"humidity":82', {"location": "Chicago"}),
    "get-resource-links": Call("Here are 2 resource links", {"count": 2}),
    "get-tiny-audio": Call("This is a tiny sound:"),
    "gzip-file-as-resource": Call(
        arguments={"data": "data:text/plain,hello", "name": "hello.gz", "outputType": "resource"}
    ),
    "toggle-simulated-logging": Call("simulated log messages", until=SESSIONS),
    "toggle-subscriber-updates": Call("simulated updates", until=SESSIONS),
    "trigger-url-elicitation": Call(
        "The user agreed to open https://example.com/",
        {"url": "https://example.com/"},
        interactive=True,
        since=URL_ELICITATION,
    ),
    "sample-with-tools": Call(
        "After 2 turns the model said: Paris", {"prompt": "6 x 7?"}, interactive=True, since=SAMPLING_TOOLS
    ),
    "create-note": Call("Created note", {"title": "Tea", "text": "Buy some."}),
    "draft-note": Call("Drafted note", {"title": "Tea", "secondsPerLine": 0.01}),
    "edit-note": Call("you have no note", {"noteId": "unknown", "text": "Bought."}, fails=True),
    "delete-note": Call("you have no note", {"noteId": "unknown"}, fails=True),
    "slow_compute": Call("quick: computed for 0.1 seconds.", {"seconds": 0.1, "label": "quick"}),
    "confirm_delete": Call(
        "notes.txt was deleted (not really).", {"filename": "notes.txt"}, interactive=True, since=ELICITATION
    ),
    "simulate-research-query": Call("Research report: tea", {"topic": "tea"}),
    # Fixtures of the conformance suite.
    "json_schema_2020_12_tool": Call(
        "Arguments accepted: email, name", {"name": "a", "email": "a@b.example"}
    ),
    "test_simple_text": Call("This is a simple text response for testing."),
    "test_image_content": Call(),
    "test_audio_content": Call(),
    "test_embedded_resource": Call(),
    "test_multiple_content_types": Call("Multiple content types test:"),
    "test_error_handling": Call("This tool intentionally returns an error for testing", fails=True),
    "test_tool_with_logging": Call("Tool with logging executed successfully"),
    "test_tool_with_progress": Call("Tool with progress executed successfully"),
    "test_reconnection": Call("Reconnection test completed successfully"),
    "test_missing_capability": Call("The client declared sampling.", interactive=True),
    "test_logging_tool": Call("Logging tool executed successfully"),
    "test_sampling": Call("LLM response: Paris", {"prompt": "Capital of France?"}, interactive=True),
    "test_streaming_elicitation": Call("Confirmation: accept", interactive=True, since=ELICITATION),
    "test_elicitation": Call(
        "User response: action=accept", {"message": "Who?"}, interactive=True, since=ELICITATION
    ),
    "test_elicitation_sep1034_defaults": Call("action=accept", interactive=True, since=ELICITATION),
    "test_elicitation_sep1330_enums": Call("action=accept", interactive=True, since=LISTS_IN_FORMS),
    "greet": Call("Hello, alice!", {"name": "alice"}),
    "failing_job": Call(refused=True, since=MODERN),
    "protocol_error_job": Call("The job met a protocol error", refused=True),
    "multi_input": Call("the first by alice", interactive=True, since=MODERN),
    "test_tool_with_task": Call(interactive=True, refused=True, since=MODERN),
    "test_x_mcp_header": Call("Region: north", {"region": "north"}),
    "test_trigger_tool_change": Call("The change of the tool list was announced."),
    "test_trigger_prompt_change": Call("The change of the prompt list was announced."),
    f"{ROUNDS}elicitation": Call("Hello, alice!", interactive=True, since=MODERN),
    f"{ROUNDS}sampling": Call("The model said: Paris", interactive=True),
    f"{ROUNDS}list_roots": Call("Roots: file:///home/alice/project", interactive=True),
    f"{ROUNDS}request_state": Call("state-ok", interactive=True, since=MODERN),
    f"{ROUNDS}multiple_inputs": Call("alice: Paris (1 root)", interactive=True, since=MODERN),
    f"{ROUNDS}multi_round": Call("alice likes alice.", interactive=True, since=MODERN),
    f"{ROUNDS}tampered_state": Call("not tampered with", interactive=True, since=MODERN),
    f"{ROUNDS}capabilities": Call("user_name, greeting, client_roots", interactive=True, since=MODERN),
}


def listed_at(revision: str) -> set[str]:
    """The tools that are listed at a revision: not those that can do nothing there."""
    return {name for name, call in CALLS.items() if call.since <= revision <= call.until}


VALUES: tuple[Any, ...] = (None, True, 1, 1.5, "1", "true", [], {"of": ["another", "kind"]})
"""One of each kind of JSON, and strings that a lenient reader takes for another kind."""


def wrong_for(tool: Tool) -> list[tuple[str, dict[str, Any]]]:
    """A parameter, and arguments that the tool's own schema forbids for the sake of that parameter alone."""
    schema = Draft202012Validator(tool.input_schema)
    right = CALLS[tool.name].arguments or {}
    assert schema.is_valid(right)
    return [
        (name, wrong)
        for name in tool.input_schema.get("properties", {})
        for value in VALUES
        if not schema.is_valid(wrong := {**right, name: value})
    ]


class Person:
    """The other side of a client: its user, its model and its roots; counts how often each was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @property
    def callbacks(self) -> dict[str, Any]:
        return {
            "sampling_callback": self.sample,
            "sampling_capabilities": SamplingCapability(tools=SamplingToolsCapability()),
            "elicitation_callback": self.elicit,
            "list_roots_callback": self.list_roots,
        }

    async def sample(self, context: Any, params: Any) -> CreateMessageResult | CreateMessageResultWithTools:
        self.asked.append("sampling")
        if params.tools and len(params.messages) == 1:
            use = ToolUseContent(type="tool_use", id="use-1", name="multiply", input={"a": 6, "b": 7})
            return CreateMessageResultWithTools(
                role="assistant", content=[use], model="played-model", stop_reason="toolUse"
            )
        content = TextContent(type="text", text="Paris")
        return CreateMessageResult(role="assistant", content=content, model="played-model")

    async def elicit(self, context: Any, params: Any) -> ElicitResult:
        self.asked.append("elicitation")
        if isinstance(params, ElicitRequestURLParams):
            return ElicitResult(action="accept")
        fields = params.requested_schema["properties"]
        return ElicitResult(action="accept", content={name: filled(fields[name]) for name in fields})

    async def list_roots(self, context: Any) -> ListRootsResult:
        self.asked.append("roots")
        return ListRootsResult(roots=[Root(uri="file:///home/alice/project", name="project")])


def filled(schema: dict[str, Any]) -> Any:
    """What a user in a hurry enters into a field of a form."""
    if "default" in schema:
        return schema["default"]
    options = schema.get("enum") or [option["const"] for option in schema.get("oneOf", [])]
    if options:
        return options[0]
    match schema["type"]:
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "array":
            items = schema["items"]
            return [(items.get("enum") or [option["const"] for option in items["anyOf"]])[0]]
        case _:
            formats = {
                "email": "alice@example.com",
                "uri": "https://example.com/",
                "date": "2000-01-01",
                "date-time": "2000-01-01T00:00:00Z",
            }
            return formats.get(schema.get("format", ""), "alice")


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))
