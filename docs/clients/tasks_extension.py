"""The tasks extension (SEP-2663) for the official Python client: `Client(extensions=[Tasks(answer)])`.

A call that the server makes a task then ends like any other: the extension looks at the task as often as the
server says, answers its questions, and returns its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from mcp import ClientSession, MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.types import CallToolResult, Request, Result
from pydantic import ConfigDict, Field

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers one question of a task, such as an `elicitation/create`."""


class TaskCreated(Result):
    """What `tools/call` returns instead of its result."""

    result_type: Literal["task"] = Field(alias="resultType", default="task")
    task_id: str = Field(alias="taskId")
    poll_interval_ms: int = Field(alias="pollIntervalMs", default=1000)


class TaskState(Result):
    """What `tasks/get` and `tasks/update` return; for `status` and the rest see SEP-2663."""

    model_config = ConfigDict(extra="allow")


class GetTask(Request[dict[str, Any], Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class UpdateTask(Request[dict[str, Any], Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    name_param = "taskId"


class CancelTask(Request[dict[str, Any], Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    name_param = "taskId"


class Tasks(ClientExtension):
    """The extension.

    Args:
        answer: Answers what a task asks.
    """

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.followed: list[str] = []
        """The ids of the tasks that were followed."""
        self.began = asyncio.Event()
        """Set when another one is added."""

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskCreated, resolve=self._follow)]

    async def cancel(self, session: ClientSession, task_id: str) -> None:
        """Cancel a task; the call that is waiting for it then fails."""
        await session.send_request(CancelTask(params={"taskId": task_id}), Result)

    async def _follow(self, created: TaskCreated, context: ClaimContext) -> CallToolResult:
        task_id = {"taskId": created.task_id}
        self.followed.append(created.task_id)
        self.began.set()
        while True:
            state = await context.session.send_request(GetTask(params=task_id), TaskState)
            task: dict[str, Any] = state.model_dump(by_alias=True)
            match task["status"]:
                case "completed":
                    return CallToolResult.model_validate(task["result"])
                case "failed":
                    raise MCPError(task["error"]["code"], task["error"]["message"])
                case "cancelled":
                    raise MCPError(-32603, "The task was cancelled.")
                case "input_required":
                    answers = {key: await self._answer(ask) for key, ask in task["inputRequests"].items()}
                    request = UpdateTask(params={**task_id, "inputResponses": answers})
                    await context.session.send_request(request, TaskState)
            await asyncio.sleep(created.poll_interval_ms / 1000)
