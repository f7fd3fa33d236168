"""Validation of client responses to sampling, elicitation and roots requests."""

import base64
from typing import Any, TypeVar

from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    AudioContent,
    CreateMessageRequest,
    CreateMessageResultWithTools,
    ElicitRequestFormParams,
    ElicitResult,
    ImageContent,
    InputRequest,
    ListRootsResult,
    Result,
    ToolResultContent,
    ToolUseContent,
)
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mcp_app.protocol.schema_messages import problems
from mcp_app.protocol.validation_messages import explain

MAX_INPUTS = 1000
"""The maximum number of values in a form, with those of its lists: each is validated, which takes time."""


MAX_BLOCKS = 1000
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
    tools that it was offered, with a unique id for each call, and not give their results itself
    (client/sampling, "Sampling with Tools").

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
        if wrong := _block_problems(answer):
            raise UnfitAnswer(f"the model's answer is malformed: {wrong}")
    return answer


def _block_problems(answer: CreateMessageResultWithTools) -> str:
    """What is wrong with the content of a model's answer, though its types are right; empty if nothing is."""
    for number, block in enumerate(answer.content_as_list):
        path = f"content[{number}]" if isinstance(answer.content, list) else "content"
        if isinstance(block, ToolResultContent) and answer.role == "assistant":
            return f"`{path}` must not be a tool result, which only a user message has"
        if isinstance(block, ImageContent | AudioContent) and not _is_base64(block.data):
            return f"`{path}.data` must be base64"
    return ""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def form_problems(request: InputRequest, answer: ElicitResult) -> str:
    """What is wrong with form input; empty if it is valid, or was not submitted."""
    if answer.action != "accept" or not isinstance(request.params, ElicitRequestFormParams):
        return ""
    content = answer.content or {}
    if sum(len(value) if isinstance(value, list) else 1 for value in content.values()) > MAX_INPUTS:
        return f"there are more than {MAX_INPUTS} values"
    return problems(request.params.requested_schema, content)


def too_long(method: str, written: Any) -> str:
    """Why an answer is not even validated; empty if it should be.

    Args:
        method: The method of the request.
        written: The answer, as the client wrote it.
    """
    if method == "sampling/createMessage" and isinstance(written, dict) and _blocks(written) > MAX_BLOCKS:
        return f"the answer has more than {MAX_BLOCKS} blocks of content"
    return ""


def _blocks(written: dict[str, Any]) -> int:
    """How many blocks the content has, with those in its results of tools."""
    content = written.get("content")
    blocks = content if isinstance(content, list) else [content]
    inner = [block.get("content") for block in blocks if isinstance(block, dict)]
    return len(blocks) + sum(len(each) for each in inner if isinstance(each, list))


_ANSWERS: dict[str, TypeAdapter[Any]] = {
    "elicitation/create": TypeAdapter(ElicitResult),
    "roots/list": TypeAdapter(ListRootsResult),
    "sampling/createMessage": TypeAdapter(CreateMessageResultWithTools),  # one block of content included
}


def malformed(method: str, problems: str) -> UnfitAnswer:
    """The error for an answer that does not have the shape of one to `method`."""
    return UnfitAnswer(f"the answer to {method} is malformed: {problems}")


def validated(method: str, written: Any, path: str) -> Any:
    """Parse a client's answer to a request of `method`, written at the JSON path `path` of its request.

    The wire schema accepts any type of answer here, so it cannot say what is wrong with this one.

    Raises:
        UnfitAnswer: It is invalid; the message names each field and the violated rule.
    """
    try:
        return _ANSWERS[method].validate_python(written, by_name=False)
    except ValidationError as error:
        raise malformed(method, explain(error, written, path)) from None
