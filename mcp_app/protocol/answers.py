"""Validation of client responses to sampling, elicitation and roots requests."""

from typing import Any, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    CreateMessageRequest,
    CreateMessageResultWithTools,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    ListRootsResult,
    Result,
    ToolUseContent,
)
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mcp_app.protocol.schema_messages import problems
from mcp_app.protocol.validation_messages import explain

MOST_INPUTS = 1000
"""The maximum number of values in a form, with those of its lists: each is validated, which takes time."""


MOST_BLOCKS = 1000
"""The maximum number of content blocks in a model's answer: each may be of any type, and all are tried."""


class NamedRoot(BaseModel):
    """A root with the URI as the client wrote it; the SDK's `Root` normalizes paths such as `/a/../b`."""

    uri: str = Field(pattern="^file://")
    name: str | None = None


class NamedRoots(Result):
    """The answer to `roots/list`, as the client wrote it."""

    roots: list[NamedRoot]


class UnfitAnswer(ToolError):
    """The client's response does not fit the request; the message names each invalid field."""


Answer = TypeVar("Answer", CreateMessageResultWithTools, ElicitResult, ListRootsResult, NamedRoots)


def checked(request: InputRequest, answer: Answer) -> Answer:
    """Validate an answer against its request, and return it.

    Form input must match the schema (client/elicitation, "Security Considerations"). A model may call only
    tools that it was offered, with a unique id for each call (client/sampling, "Sampling with Tools").

    Raises:
        UnfitAnswer: It is invalid.
    """
    if isinstance(answer, ElicitResult):
        if wrong := form_problems(request, answer):
            raise UnfitAnswer(f"the answer does not match the form: {wrong}")
    elif isinstance(answer, CreateMessageResultWithTools) and isinstance(request, CreateMessageRequest):
        calls = [block.id for block in answer.content_as_list if isinstance(block, ToolUseContent)]
        if calls and not request.params.tools:
            raise UnfitAnswer("the model called a tool, but none was offered")
        if len(set(calls)) < len(calls):
            raise UnfitAnswer("the model made two tool calls with the same id")
    return answer


def form_problems(request: InputRequest, answer: ElicitResult) -> str:
    """What is wrong with form input; empty if it is valid, or was not submitted."""
    if answer.action != "accept" or not isinstance(request.params, ElicitRequestFormParams):
        return ""
    content = answer.content or {}
    if sum(len(value) if isinstance(value, list) else 1 for value in content.values()) > MOST_INPUTS:
        return f"there are more than {MOST_INPUTS} values"
    return problems(request.params.requested_schema, content)


def too_long(method: str, written: Any) -> str:
    """Why an answer is not even validated; empty if it should be.

    Args:
        method: The method of the request.
        written: The answer, as the client wrote it.
    """
    content = written.get("content") if isinstance(written, dict) else None
    if method == "sampling/createMessage" and isinstance(content, list) and len(content) > MOST_BLOCKS:
        return f"the answer has more than {MOST_BLOCKS} blocks of content"
    return ""


_ANSWERS: dict[str, TypeAdapter[Any]] = {
    "elicitation/create": TypeAdapter(ElicitResult),
    "roots/list": TypeAdapter(ListRootsResult),
    "sampling/createMessage": TypeAdapter(CreateMessageResultWithTools),  # one block of content included
}


def validated(method: str, written: Any, path: str) -> Any:
    """Parse a client's answer to a request of `method`, written at the JSON path `path` of its request.

    The wire schema accepts any type of answer here, so it cannot say what is wrong with this one.

    Raises:
        UnfitAnswer: It is invalid; the message names each field and the violated rule.
    """
    try:
        return _ANSWERS[method].validate_python(written, by_name=False)
    except ValidationError as error:
        raise UnfitAnswer(f"No answer to {method}: {explain(error, written, path)}") from None
