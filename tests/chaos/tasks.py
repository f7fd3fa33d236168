"""Clients of a chaos run that create tasks in 2026-07-28, follow each to its end and read it once more."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx2

from mcp_app.extensions.tasks.declaration import IDENTIFIER
from tests.chaos.clients import ANSWER_SECONDS
from tests.chaos.ledger import Ledger
from tests.support.wire import JSON_OR_STREAM, answer_of

MODERN = "2026-07-28"
END_SECONDS = ANSWER_SECONDS
"""After so long without an end a task counts as lost."""

POLL_SECONDS = 0.5
TERMINAL = ("completed", "failed", "cancelled")
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {IDENTIFIER: {}}},
}


class RefusedError(Exception):
    """The server answered with a JSON-RPC error."""


class TaskClient:
    """One client, with one task at a time."""

    def __init__(self, url: str, token: str, ledger: Ledger, rng: random.Random) -> None:
        self._url = url
        self._headers = {**JSON_OR_STREAM, "Authorization": f"Bearer {token}", "MCP-Protocol-Version": MODERN}
        self._ledger = ledger
        self._rng = rng

    async def run(self, until: Callable[[], bool]) -> None:
        """Work until told to stop; the last task is still followed to its end."""
        hooks = {"response": [self._ledger.audit.on_response]}
        async with httpx2.AsyncClient(headers=self._headers, timeout=20, event_hooks=hooks) as http:
            while not until():
                try:
                    await self._one(http)
                except (httpx2.HTTPError, RefusedError) as error:
                    # No task was made, or none that the client knows of.
                    self._ledger.failed[f"task: {error!r}"[:90]] += 1
                    await asyncio.sleep(0.2)

    async def _one(self, http: httpx2.AsyncClient) -> None:
        name, arguments, expected = self._choose()
        made = await self._request(http, "tools/call", name, {"name": name, "arguments": arguments})
        self._ledger.tasks += 1
        task_id = made["taskId"]
        try:
            async with asyncio.timeout(END_SECONDS):
                ended = await self._follow(http, task_id)
                again = await self._look(http, task_id)
        except (TimeoutError, RefusedError) as error:
            self._ledger.note("lost", f"task {name} {task_id[:8]}: {error!r}")
            return
        if again != ended:
            self._ledger.note("duplicated", f"task {name} {task_id[:8]} ended twice: {ended} and {again}")
        self._ledger.task_ends[_how(ended)] += 1
        if ended["status"] == "completed":
            if not (found := ended["result"]["content"][0]["text"]).startswith(expected):
                self._ledger.note("misdelivered", f"task {name} {arguments} brought {found!r}")
            if name == "draft-note":
                self._ledger.drafted.append(arguments["title"])

    def _choose(self) -> tuple[str, dict[str, Any], str]:
        """A tool, its arguments, and how its result begins: two that may run twice, and one that may not."""
        label = secrets.token_hex(4)
        match self._rng.choice(["confirm_delete", "slow_compute", "draft-note"]):
            case "confirm_delete":
                return "confirm_delete", {"filename": label}, f"{label} was deleted (not really)."
            case "slow_compute":
                seconds = self._rng.choice([1, 3, 6])
                arguments = {"seconds": seconds, "label": label}
                return "slow_compute", arguments, f"{label}: computed for {seconds} second"
            case _:
                arguments = {"title": label, "secondsPerLine": self._rng.choice([0.3, 1, 2])}
                return "draft-note", arguments, "Drafted note "

    async def _follow(self, http: httpx2.AsyncClient, task_id: str) -> dict[str, Any]:
        """The finished task; its questions are answered on the way."""
        while (task := await self._look(http, task_id))["status"] not in TERMINAL:
            if task["status"] == "input_required":
                accepted = {"action": "accept", "content": {"confirm": True}}
                answers = dict.fromkeys(task["inputRequests"], accepted)
                params = {"taskId": task_id, "inputResponses": answers}
                await self._until_answered(http, "tasks/update", task_id, params)
            await asyncio.sleep(POLL_SECONDS)
        return task

    async def _look(self, http: httpx2.AsyncClient, task_id: str) -> dict[str, Any]:
        return await self._until_answered(http, "tasks/get", task_id, {"taskId": task_id})

    async def _until_answered(
        self, http: httpx2.AsyncClient, method: str, name: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        while True:
            try:
                return await self._request(http, method, name, params)
            except httpx2.HTTPError:
                await asyncio.sleep(POLL_SECONDS)

    async def _request(
        self, http: httpx2.AsyncClient, method: str, name: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": _META}}
        response = await http.post(self._url, json=body, headers={"Mcp-Method": method, "Mcp-Name": name})
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS or response.status_code >= 500:
            response.raise_for_status()  # a client tries again
        answer = answer_of(response)
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]


def _how(task: dict[str, Any]) -> str:
    """How a task ended, with the reason if it failed."""
    reason = task.get("error", {}).get("data", {}).get("reason")
    return task["status"] + (f" ({reason})" if reason else "")
