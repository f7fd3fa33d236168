"""Requests to the client, in the same way for all revisions.

Up to 2025-11-25 the server sends a request, here always on the stream of the current call. At 2026-07-28
there are no such requests: the call returns an `InputRequiredResult`, and the client calls again with the
answer (basic/utilities/mrtr). A tool that uses `ask` works for both:

    answer = await ask(ctx, "user_name", form("What is your name?", schema), ElicitResult)
    if isinstance(answer, InputRequiredResult):
        return answer

The SDK's `Resolve` does the same for pydantic models. It is not used here because it has no deadline, reports
a declined request as a protocol error, and does not support a given schema or key.
"""

from collections.abc import Collection
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    FormElicitationCapability,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    MissingRequiredClientCapabilityErrorData,
    RootsCapability,
    SamplingCapability,
    SamplingMessage,
    SamplingToolsCapability,
    TextContent,
    UrlElicitationCapability,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from mcp_app.protocol.answers import Answer, NamedRoots, UnfitAnswer, checked, malformed
from mcp_app.protocol.older_revisions import AUDIO
from mcp_app.protocol.validation_messages import explain, has_too_many
from mcp_app.sdk import ServerMessageMetadata

__all__ = [
    "ELICITATION",
    "LISTS_IN_FORMS",
    "MODEL_DEADLINE",
    "PERSON_DEADLINE",
    "SAMPLING_WITH_TOOLS",
    "URL_MODE",
    "NamedRoots",
    "UnfitAnswer",
    "answered",
    "ask",
    "can_answer",
    "cannot_be_asked",
    "checked",
    "form",
    "is_modern",
    "missing_capability",
    "page",
    "question",
    "required_capability",
    "text_of",
]

MODEL_DEADLINE = 300.0
"""The seconds that a client's model has to answer, up to `MCP_CLIENT_REQUEST_SECONDS`."""
PERSON_DEADLINE = 600.0
"""The seconds that a person has to answer, as with the reference server."""

ELICITATION = "2025-06-18"
"""The revision that introduced questions to the person."""
URL_MODE = "2025-11-25"
"""The revision that introduced pages that the person is sent to."""
SAMPLING_WITH_TOOLS = "2025-11-25"
"""The revision that introduced tools in questions to the model, and messages of several blocks."""
LISTS_IN_FORMS = "2025-11-25"
"""The revision of multiple choice (`type: array`), and of choices with titles (`oneOf`), by SEP-1330."""


def is_modern(ctx: Context) -> bool:
    """Whether this request is of 2026-07-28 or later, where servers send no requests."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def form(message: str, schema: dict[str, Any]) -> ElicitRequest:
    """A question to the person, as a form."""
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def question(text: str, *, max_tokens: int, **params: Any) -> CreateMessageRequest:
    """A question to the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens, **params)
    )


def page(message: str, url: str, elicitation_id: str | None = None) -> ElicitRequest:
    """A question to the person that is answered on a web page; 2026-07-28 has no elicitation ids."""
    return ElicitRequest(
        params=ElicitRequestURLParams(message=message, url=url, elicitation_id=elicitation_id)
    )


def required_capability(request: InputRequest) -> ClientCapabilities:
    """The capability that a client must have declared for `request`."""
    match request:
        case CreateMessageRequest():
            tools = SamplingToolsCapability() if request.params.tools else None
            return ClientCapabilities(sampling=SamplingCapability(tools=tools))
        case ListRootsRequest():
            return ClientCapabilities(roots=RootsCapability())
        case ElicitRequest(params=ElicitRequestURLParams()):
            return ClientCapabilities(elicitation=ElicitationCapability(url=UrlElicitationCapability()))
        case _:
            return ClientCapabilities(elicitation=ElicitationCapability(form=FormElicitationCapability()))


def can_answer(ctx: Context, request: InputRequest) -> bool:
    """Whether the client declared the capability for `request`, and its revision supports it."""
    if _is_newer_than(ctx.protocol_version, request):
        return False
    declared = ctx.client_capabilities or ClientCapabilities()
    match request:
        case CreateMessageRequest():
            sampling = declared.sampling
            return sampling is not None and (not request.params.tools or sampling.tools is not None)
        case ListRootsRequest():
            return declared.roots is not None
        case ElicitRequest(params=ElicitRequestURLParams()):
            return declared.elicitation is not None and declared.elicitation.url is not None
        case _:
            # An empty `elicitation: {}` means forms, the only mode before 2025-11-25. Declarations with only
            # unknown modes were removed by `client_declaration`.
            modes = declared.elicitation
            return modes is not None and (modes.form is not None or modes.url is None)


def _is_newer_than(revision: str | None, request: InputRequest) -> bool:
    return revision is not None and revision < _since(request)


def _since(request: InputRequest) -> str:
    """The first revision that supports this request; empty if all do."""
    match request:
        case ElicitRequest(params=ElicitRequestURLParams()):
            return URL_MODE
        case CreateMessageRequest(params=params):
            if params.tools or any(isinstance(message.content, list) for message in params.messages):
                return SAMPLING_WITH_TOOLS
            heard = any(isinstance(message.content, AudioContent) for message in params.messages)
            return AUDIO if heard else ""
        case ElicitRequest(params=ElicitRequestFormParams(requested_schema=schema)):
            fields = schema.get("properties", {}).values()
            is_rich = any(field.get("type") == "array" or "oneOf" in field for field in fields)
            return LISTS_IN_FORMS if is_rich else ELICITATION
        case _:
            return ""


def cannot_be_asked(ctx: Context, request: InputRequest) -> Exception:
    """The error for an unsupported request: the revision is too old, or a capability is missing."""
    if _is_newer_than(ctx.protocol_version, request):
        return ToolError(
            f"this question requires {_since(request)}; this session uses {ctx.protocol_version}"
        )
    return missing_capability(ctx, required_capability(request))


def missing_capability(ctx: Context, required: ClientCapabilities) -> Exception:
    """The error for a client that lacks `required`: -32021 at 2026-07-28, a tool error before that."""
    wire = MissingRequiredClientCapabilityErrorData(required_capabilities=required).model_dump(
        by_alias=True, mode="json", exclude_none=True
    )
    has_modes = ctx.protocol_version is None or ctx.protocol_version >= URL_MODE
    names = ", ".join(
        ".".join([name, *(part if has_modes else ())]) for name, part in wire["requiredCapabilities"].items()
    )
    if is_modern(ctx):
        return MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY, f"The client did not declare the capability: {names}", wire
        )
    return ToolError(f"the client did not declare the capability: {names}")


async def ask(
    ctx: Context,
    key: str,
    request: InputRequest,
    result_type: type[Answer],
    *,
    deadline: float = PERSON_DEADLINE,
) -> Answer | InputRequiredResult:
    """The client's answer to `request`; at 2026-07-28 possibly the result that requests it under `key`.

    Raises:
        UnfitAnswer: See `checked`.
        ToolError: The client does not support the request, returned an error, or missed the deadline.
        MCPError: At 2026-07-28, if the client does not support the request (-32021).
    """
    if is_modern(ctx) and (answer := answered(ctx, key, result_type)) is not None:
        return checked(request, answer)
    if not can_answer(ctx, request):
        raise cannot_be_asked(ctx, request)
    if is_modern(ctx):
        return InputRequiredResult(input_requests={key: request})
    try:
        answer = await ctx.session.send_request(
            request,
            result_type,
            request_read_timeout_seconds=deadline,
            metadata=ServerMessageMetadata(related_request_id=ctx.request_id),
        )
    except MCPError as error:
        raise ToolError(f"{request.method} failed: {error.message}") from error
    except ValidationError as error:
        raise malformed(request.method, _explain(error, request)) from error
    return checked(request, answer)


_MEMBERS = frozenset(
    {
        *("action", "content", "role", "model", "stopReason", "roots", "uri", "name"),
        *("type", "text", "data", "mimeType", "id", "input", "toolUseId", "isError"),
    }
)
"""The members of answers."""


class _Outline(dict[int | str, Any]):
    """Stands for an answer, which is not available, to distinguish keys in the locations of errors.

    Args:
        more: Further keys, such as those of form fields.
    """

    def __init__(self, more: Collection[int | str]) -> None:
        super().__init__()
        self._keys = _MEMBERS.union(more)

    def __contains__(self, step: object) -> bool:
        return isinstance(step, int) or step in self._keys

    def __getitem__(self, step: int | str) -> Any:
        return self


def _explain(error: ValidationError, request: InputRequest) -> str:
    fields: set[int | str] = set()
    if isinstance(request, ElicitRequest) and not has_too_many(error):
        # A form field is the second step of a location.
        fields = {item["loc"][1] for item in error.errors(include_url=False) if len(item["loc"]) > 1}
    return explain(error, _Outline(fields))


def answered(ctx: Context, key: str, result_type: type[Answer]) -> Answer | None:
    """The answer under `key` in this retry, if it is of the requested type."""
    answer = (ctx.input_responses or {}).get(key)
    if isinstance(answer, CreateMessageResult):
        # The narrower of the two shapes of a sampling answer: one block of content instead of a list.
        answer = CreateMessageResultWithTools.model_validate(answer.model_dump(by_alias=True))
    if result_type is NamedRoots and isinstance(answer, ListRootsResult):
        written = (ctx.request_context.params or {})["inputResponses"][key]
        try:
            return result_type.model_validate(written)
        except ValidationError as error:
            raise malformed("roots/list", explain(error, written)) from error
    return answer if isinstance(answer, result_type) else None


def text_of(result: CreateMessageResultWithTools) -> str:
    """The text of the model's answer, its blocks on lines of their own; an answer without text, as JSON."""
    texts = [block.text for block in result.content_as_list if isinstance(block, TextContent)]
    if texts:
        return "\n".join(texts)
    return result.model_dump_json(include={"content"}, by_alias=True, exclude_none=True)
