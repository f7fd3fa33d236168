"""The extension: its methods, and the tool calls that it turns into tasks (SEP-2663).

It is defined for 2026-07-28 and later. At earlier revisions its methods do not exist, and tools that can be
tasks run synchronously, whatever the client declares (SEP-2663, "Backward Compatibility").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.extension import MethodBinding
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    InputRequest,
    RequestParams,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field, TypeAdapter

from mcp_app.auth.tokens import grant_of, owner
from mcp_app.conf import conf
from mcp_app.extensions.tasks.declaration import IDENTIFIER, is_declared, not_declared
from mcp_app.extensions.tasks.listen import KIND, TaskNotifications
from mcp_app.extensions.tasks.runs import TaskCall, TaskRuns
from mcp_app.extensions.tasks.store import MAX_ANSWERS_BYTES, MAX_CALL_BYTES, TaskStore, TooLarge
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.extensions.tasks.task import MAX_ID_LENGTH, Task
from mcp_app.protocol import listen
from mcp_app.protocol.answers import UnfitAnswer, checked, validated
from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.mirrored_headers import fault
from mcp_app.protocol.personal import person_key
from mcp_app.protocol.repeatable import may_repeat
from mcp_app.protocol.schema_messages import problems
from mcp_app.sdk import MCP_NAME_HEADER, CallNext, HandlerResult
from mcp_app.server import Engine, Extension

__all__ = ["Tasks"]

_METHODS = _GET, _UPDATE, _CANCEL = "tasks/get", "tasks/update", "tasks/cancel"

_REQUESTS: TypeAdapter[InputRequest] = TypeAdapter(InputRequest)

_KEPT_META = (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY)
"""The parts of a call's `_meta` that a task needs. Progress tokens and log levels do not apply to tasks."""


class TaskParams(RequestParams):
    """Parameters of `tasks/get` and `tasks/cancel`."""

    task_id: str = Field(max_length=MAX_ID_LENGTH)


class UpdateTaskParams(TaskParams):
    """Parameters of `tasks/update`. Keys that are not outstanding are ignored, whatever their value."""

    input_responses: dict[str, Any]


def principal() -> str:
    """Who made the current request: client, issuer and subject. Empty if nobody is signed in."""
    token = get_access_token()
    return "" if token is None else owner(*principal_components(token))


def _person() -> str:
    """The person towards whose limits the current request counts (`Person.key`)."""
    return person_key(principal())


def _grant() -> str | None:
    """The id of the consent behind the current request, if known."""
    token = get_access_token()
    return None if token is None else grant_of(token)


class Tasks(Extension):
    """The tasks extension.

    Args:
        tools: The tools that become tasks, by name.
    """

    identifier = IDENTIFIER
    listen_kinds = (KIND,)

    def __init__(self, tools: Mapping[str, TaskSupport]) -> None:
        self._tools = tools
        self.store: TaskStore

    def attach(self, engine: Engine) -> None:
        super().attach(engine)
        self.store = TaskStore(engine.redis, engine.directory, engine.leases)
        engine.add_middleware(_refuse_undeclared, *_METHODS)
        engine.add_middleware(TaskNotifications(self.store, self.find, _person), listen.METHOD)
        # The sealed state of a task must stay valid until the task expires.
        self.state_seconds = max(
            (support.ttl_seconds or conf.task_seconds for support in self._tools.values()), default=0
        )

    @cached_property
    def runs(self) -> TaskRuns:
        """The runs of this process."""
        return TaskRuns(
            self.store,
            self.engine.server.session_manager.app,
            partial(may_repeat, self.engine.server),
            self.engine.observers,
        )

    def __len__(self) -> int:
        return len(self.runs)

    async def drain(self) -> None:
        """Stop and release the runs of this process; the next reader of a task recovers it."""
        await self.runs.aclose()

    def methods(self) -> Sequence[MethodBinding]:
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding(_GET, TaskParams, self._get, versions),
            MethodBinding(_UPDATE, UpdateTaskParams, self._update, versions),
            MethodBinding(_CANCEL, TaskParams, self._cancel, versions),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: RequestContext, call_next: CallNext
    ) -> HandlerResult:
        """Return a task if the tool supports it and the client declared tasks."""
        support = self._tools.get(params.name)
        if support is None or isinstance(ctx.request, TaskCall):
            return await call_next(ctx)
        if not is_declared(ctx):
            if support.required:
                raise not_declared()
            return await call_next(ctx)
        if not self._can_run(params):
            return await call_next(ctx)  # this reports immediately what is wrong, without a task
        if support.first is not None:
            try:
                question = await support.first(params, ctx)
            except ToolError as failure:
                return CallToolResult(content=[TextContent(type="text", text=str(failure))], is_error=True)
            if question is not None:
                return question
        try:
            task = await self.store.create(
                principal(),
                params.name,
                _kept(params, ctx),
                grant=_grant(),
                ttl_seconds=support.ttl_seconds,
            )
        except TooLarge:
            raise _too_large("The parameters", MAX_CALL_BYTES) from None
        if not task.has_ended:
            self.runs.start(task, ctx.lifespan_context)
        return {"resultType": "task", **task.summary()}

    def _can_run(self, params: CallToolRequestParams) -> bool:
        """Whether the arguments of a call match the tool's schema."""
        find_schema = self.engine.server.session_manager.app.get_tool_input_schema
        schema = find_schema(params.name) if find_schema is not None else None
        return schema is None or not problems(schema, params.arguments or {})

    async def find(self, task_id: str, lifespan_state: Any) -> Task | None:
        """A task of the current principal, after recovery if needed; None if it does not exist."""
        task = await self._own(task_id)
        return None if task is None else await self.runs.recover_if_lost(task, lifespan_state)

    async def _own(self, task_id: str) -> Task | None:
        """A task of the current principal, without recovery. It is hidden together with its tool."""
        task = await self.store.get(task_id)
        if task is None or task.owner != principal() or await self.engine.access.is_hidden(task.tool):
            return None
        return task

    async def _get(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """tasks/get."""
        task = await self._settled(ctx, params)
        return {"resultType": "complete", **task.details()}

    async def _update(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """tasks/update: store outstanding answers; after the last one the task continues in this process."""
        assert isinstance(params, UpdateTaskParams)
        task = await self._settled(ctx, params)
        answers: dict[str, Any] = {}
        for key, question in task.questions.items():
            if key in params.input_responses:
                answers[key] = _checked(key, question.request, params.input_responses[key])
        try:
            run = await self.store.answer(task, answers)
        except TooLarge:
            raise _too_large("The answers", MAX_ANSWERS_BYTES) from None
        # Another process may have cancelled it in between.
        if run is not None and (answered := await self.store.get_if_running(task.id, run)) is not None:
            self.runs.start(answered, ctx.lifespan_context)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: RequestContext, params: BaseModel) -> dict[str, Any]:
        """tasks/cancel: does nothing if the task has ended.

        A lost task is not recovered first: that could re-run it.
        """
        task = await self._named(ctx, params)
        await self.store.cancel(task.id)
        return {"resultType": "complete"}

    async def _settled(self, ctx: RequestContext, params: BaseModel) -> Task:
        """The task of a request, after recovery if needed."""
        task = await self._named(ctx, params)
        return await self.runs.recover_if_lost(task, ctx.lifespan_context)

    async def _named(self, ctx: RequestContext, params: BaseModel) -> Task:
        """The task of a request. Somebody else's gets the same error as one that does not exist."""
        assert isinstance(params, TaskParams)
        _check_name(ctx, params.task_id)
        task = await self._own(params.task_id)
        if task is None:
            raise MCPError(INVALID_PARAMS, "Unknown task", {"taskId": params.task_id})
        return task


async def _refuse_undeclared(ctx: RequestContext, call_next: CallNext) -> HandlerResult:
    """A middleware: reject the methods where they do not exist, before parameters are validated.

    The SDK checks the versions of a `MethodBinding` only after the parameters.
    """
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
    if not is_declared(ctx):
        raise not_declared()
    return await call_next(ctx)


def _kept(params: CallToolRequestParams, ctx: RequestContext) -> dict[str, Any]:
    """The parameters to store, without the request state of earlier rounds."""
    kept = params.model_dump(
        by_alias=True,
        mode="json",
        exclude_none=True,
        include={"name", "arguments", "input_responses"},
    )
    meta: Mapping[str, Any] = ctx.meta or {}
    return {**kept, "_meta": {key: meta[key] for key in _KEPT_META if key in meta}}


def _check_name(ctx: RequestContext, task_id: str) -> None:
    """`Mcp-Name` is the task's id (SEP-2663, "Routing Headers"); the SDK checks only its own methods."""
    headers = getattr(ctx.request, "headers", None)
    if headers is None:
        return
    value = headers.get(MCP_NAME_HEADER)
    wrong = fault("Mcp-Name", value, "the body's `params.taskId`", task_id, is_encoded=True)
    if wrong is not None:
        raise MCPError(HEADER_MISMATCH, f"Header mismatch: {wrong}")


def _too_large(what: str, most: int) -> MCPError:
    return MCPError(INVALID_PARAMS, f"{what} are too large for a task: more than {most} bytes")


def _checked(key: str, request: Mapping[str, Any], answer: Any) -> Any:
    """Validate an answer as `ask` does, before the task continues.

    Raises:
        MCPError: It is invalid; the question stays outstanding.
    """
    path = f"inputResponses.{key}"
    try:
        given = validated(request["method"], answer, path)
        checked(_REQUESTS.validate_python(request), given)
    except UnfitAnswer as unfit:
        raise MCPError(INVALID_PARAMS, f"{path}: {unfit}") from None
    return answer
