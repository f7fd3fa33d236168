"""Answers of clients to sampling, elicitation and roots requests, validated against the request."""

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


class NamedRoot(BaseModel):
    """A root by the URI that the client gave it; the SDK's `Root` parses it, and so rewrites `/a/../b`."""

    uri: str = Field(pattern="^file://")
    name: str | None = None


class NamedRoots(Result):
    """The answer to `roots/list`, as the client wrote it."""

    roots: list[NamedRoot]


class UnfitAnswer(ToolError):
    """The client answered, but not what it was asked; the message names each field that is wrong."""


Answer = TypeVar("Answer", CreateMessageResultWithTools, ElicitResult, ListRootsResult, NamedRoots)


def checked(request: InputRequest, answer: Answer) -> Answer:
    """The answer, if it is one to this request.

    A form is held against its schema (client/elicitation, "Security Considerations"). A model calls only
    tools that it was offered, each call under an id of its own (client/sampling, "Sampling with Tools").

    Raises:
        UnfitAnswer: It is none.
    """
    if isinstance(answer, ElicitResult):
        wrong = form_problems(request, answer)
        if wrong:
            raise UnfitAnswer(f"the answer does not match the form: {wrong}")
    elif isinstance(answer, CreateMessageResultWithTools) and isinstance(request, CreateMessageRequest):
        calls = [block.id for block in answer.content_as_list if isinstance(block, ToolUseContent)]
        if calls and not request.params.tools:
            raise UnfitAnswer("the model called a tool, and was offered none")
        if len(set(calls)) < len(calls):
            raise UnfitAnswer("the model made two tool calls with the same id")
    return answer


def form_problems(request: InputRequest, answer: ElicitResult) -> str:
    """What an answer breaks of the form that it answers; empty where it fits, or was not accepted."""
    if answer.action != "accept" or not isinstance(request.params, ElicitRequestFormParams):
        return ""
    return problems(request.params.requested_schema, answer.content or {})


_ANSWERS: dict[str, TypeAdapter[Any]] = {
    "elicitation/create": TypeAdapter(ElicitResult),
    "roots/list": TypeAdapter(ListRootsResult),
    "sampling/createMessage": TypeAdapter(CreateMessageResultWithTools),  # one block of content included
}


def validated(method: str, written: Any, path: str) -> Any:
    """A client's answer, parsed as the kind that a request of `method` asks for.

    The wire allows any kind wherever an answer may be, so its schema cannot say what was wrong with this one.

    Args:
        method: The method of the request that it answers.
        written: The answer, as the client wrote it.
        path: The JSON path of the answer in the client's request.

    Raises:
        UnfitAnswer: It is not of that kind; the message names each field and the rule.
    """
    try:
        return _ANSWERS[method].validate_python(written, by_name=False)
    except ValidationError as error:
        raise UnfitAnswer(f"No answer to {method}: {explain(error, written, path)}") from None
