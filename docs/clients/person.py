"""What stands behind a client: its user, its model, its roots, and a place for notifications."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from mcp.types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    ElicitRequestURLParams,
    ElicitResult,
    ListRootsResult,
    Root,
    SamplingCapability,
    SamplingToolsCapability,
    TextContent,
    ToolUseContent,
)
from steps import WAIT
from tasks_extension import Tasks

FORM = {"confirm": True, "name": "Alice", "interpretation": "technical"}
"""What the user enters into fields with these names; others stay empty."""

Kind = TypeVar("Kind")


class Person:
    """Responds to requests from the server, and stores its notifications."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tasks = Tasks(self.answer)
        self._heard: list[Any] = []
        self._news = asyncio.Event()

    @property
    def callbacks(self) -> dict[str, Any]:
        """The options of the client, from which it derives its capabilities."""
        return {
            "sampling_callback": self.sample,
            "sampling_capabilities": SamplingCapability(tools=SamplingToolsCapability()),
            "elicitation_callback": self.elicit,
            "list_roots_callback": self.roots,
            "message_handler": self.hear,
            "extensions": [self.tasks],
        }

    async def sample(self, context: Any, params: Any) -> CreateMessageResult | CreateMessageResultWithTools:
        """The model. If it is offered a tool, it calls that first."""
        self.asked.append("sampling")
        if params.tools and len(params.messages) == 1:
            use = ToolUseContent(type="tool_use", id="use-1", name="multiply", input={"a": 6, "b": 7})
            return CreateMessageResultWithTools(
                role="assistant", content=[use], model="a-person", stop_reason="toolUse"
            )
        return CreateMessageResult(
            role="assistant", content=TextContent(type="text", text="Paris"), model="a-person"
        )

    async def elicit(self, context: Any, params: Any) -> ElicitResult:
        """The user: visits a page, or fills in a form."""
        if isinstance(params, ElicitRequestURLParams):
            self.asked.append(params.url)
            return ElicitResult(action="accept")
        return ElicitResult(action="accept", content=self._filled(params.requested_schema))

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """The same, for questions from a task."""
        return {"action": "accept", "content": self._filled(question["params"]["requestedSchema"])}

    def _filled(self, schema: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(", ".join(schema["properties"]))
        return {name: value for name, value in FORM.items() if name in schema["properties"]}

    async def roots(self, context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri="file:///home/alice/project", name="project")])

    async def hear(self, message: Any) -> None:
        """Any notification from the server."""
        self._heard.append(message)
        self._news.set()

    def forget(self) -> None:
        self._heard.clear()

    async def hears(self, kind: type[Kind]) -> Kind:
        """The next notification of that type, or one received since the last `forget`."""
        async with asyncio.timeout(WAIT):
            while True:
                for message in self._heard:
                    if isinstance(message, kind):
                        return message
                self._news.clear()
                await self._news.wait()
