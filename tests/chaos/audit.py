"""Whether the audit of a chaos run has each answer that a client got, once, and nothing that is secret."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp_types import JSONRPCError, JSONRPCResponse

from mcp_app.calls.recovery import WORKER_LOST

Call = tuple[str, str]
"""A session, by the first characters of its id, and the id of a request."""


@dataclass
class Audit:
    """What the clients got, to be compared with what the processes wrote."""

    calls: set[Call] = field(default_factory=set)
    """The calls of sessions whose response arrived, on whatever stream."""
    requests: dict[str, str] = field(default_factory=dict)
    """The HTTP method of each GET, and of each other request that no stream answers, by `X-Request-ID`."""
    secrets: set[str] = field(default_factory=set)
    """What was sent that nobody may read: tokens and arguments."""
    missing: int = 0
    doubled: int = 0
    leaked: int = 0
    lines: int = 0
    superseded: int = 0
    """Lines of calls whose process was killed before their response was out; the last line of each counts."""
    details: list[str] = field(default_factory=list)

    async def on_response(self, response: httpx2.Response) -> None:
        """Note the response of an HTTP request, whose line is written before its head is sent."""
        method = response.request.method
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        if (name := response.headers.get("x-request-id")) and (method != "POST" or not is_stream):
            self.requests[name] = method

    def on_message(self, session_id: str, message: Any) -> None:
        """Note the response of a call. Of errors only those count that the client cannot have made itself."""
        match message:
            case JSONRPCResponse(id=number):
                self.calls.add((session_id[:8], str(number)))
            case JSONRPCError(id=number, error=error) if error.message == WORKER_LOST:
                self.calls.add((session_id[:8], str(number)))

    def check(self, text: str) -> None:
        """Compare it with the text of the audit."""
        written = [json.loads(line) for line in text.splitlines()]
        self.lines = len(written)
        lines = [line for line in written if line["message"] == "MCP request"]
        by_call: dict[Call, Counter[int]] = defaultdict(Counter)
        by_request: dict[str, list[str]] = defaultdict(list)
        for line in lines:
            if "session" in line and "id" in line:
                by_call[line["session"], line["id"]][line.get("attempt", 1)] += 1
            by_request[line.get("request_id", "")].append(line.get("method", ""))
        for call in self.calls:
            attempts = by_call[call]
            self._count(max(attempts.values(), default=0), f"{call}: {dict(attempts)}")
            self.superseded += max(0, len(attempts) - 1)
        for name, method in self.requests.items():
            methods = by_request[name]
            # A GET may recover calls of other requests, whose lines have its id, too.
            found = [each for each in methods if each == "GET"] if method == "GET" else methods
            self._count(len(found), f"{method} {name}: {methods}")
        for secret in self.secrets:
            if secret in text:
                self.leaked += 1
                self.details.append(f"leaked: {secret}")

    @property
    def is_clean(self) -> bool:
        """Whether each answer has its one line, and there were some."""
        return self.missing == self.doubled == self.leaked == 0 < len(self.calls)

    def report(self) -> dict[str, Any]:
        return {
            "audit: lines": self.lines,
            "audit: answers compared": len(self.calls) + len(self.requests),
            "audit: answers without a line": self.missing,
            "audit: answers with several": self.doubled,
            "audit: lines of lost runs": self.superseded,
            "audit: secrets": self.leaked,
        }

    def _count(self, found: int, detail: str) -> None:
        self.missing += found == 0
        self.doubled += found > 1
        if found != 1:
            self.details.append(f"audit: {found} lines for {detail}")


def is_written_by(folders: Iterable[Path]) -> bool:
    """Whether all of these folders with code of this project have an audit: earlier releases had none."""
    return all(
        (folder / "everything_site" / "audit").exists() or (folder / "everything_site" / "audit.py").exists()
        for folder in folders
    )
