"""Findings of the doctor, and responses as the checks see them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import unescape
from typing import Any

_OF_A_FIELD = re.compile(r'<p class="errors"[^>]*>([^<]*)</p>')
_PARAGRAPH = re.compile(r"<p>([^<]*)</p>")


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """Some clients stumble, or a SHOULD is not met."""
    FAULT = "fault"
    """Clients fail, or a MUST is not met."""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        step: The step of the client.
        says: The finding, in plain words.
        spec: The specification that requires it.
    """

    step: str
    level: Level
    says: str
    spec: str = ""


class Findings:
    """Collects the findings of one step."""

    def __init__(self, step: str) -> None:
        self.step = step
        self.all: list[Finding] = []

    def fault(self, says: str, spec: str = "") -> None:
        self.all.append(Finding(self.step, Level.FAULT, says, spec))

    def warning(self, says: str, spec: str = "") -> None:
        self.all.append(Finding(self.step, Level.WARNING, says, spec))

    def ok(self, says: str) -> list[Finding]:
        """All findings; if nothing is wrong, a single success."""
        return self.all or [Finding(self.step, Level.OK, says)]


@dataclass(frozen=True)
class Reply:
    """A complete HTTP response."""

    url: str
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    text: str = ""

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def json(self) -> Any:
        """The JSON value of the body; None if it is not JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @property
    def object(self) -> dict[str, Any] | None:
        """The JSON object of the body; None if it is not one."""
        value = self.json
        return value if isinstance(value, dict) else None

    @property
    def sentence(self) -> str:
        """The reason of an error response: an error message, that of a field, or the beginning of a page."""
        document = self.object
        if document is not None:
            error = document.get("error")
            said = (
                error.get("message")
                if isinstance(error, dict)
                else document.get("error_description") or error
            )
            return said[:600] if isinstance(said, str) else ""
        found = _OF_A_FIELD.search(self.text) or _PARAGRAPH.search(self.text)
        return unescape(found[1]).strip()[:600] if found else ""

    @property
    def result(self) -> Any:
        """The `result` of the JSON-RPC response in the body, which may be JSON or an event stream."""
        for message in self._messages():
            if isinstance(message, dict) and "result" in message:
                return message["result"]
        return None

    @property
    def is_stream(self) -> bool:
        return self.media_type == "text/event-stream"

    def has_response(self, request_id: int) -> bool:
        """Whether the body contains the response to this request."""
        return any(
            isinstance(message, dict)
            and message.get("id") == request_id
            and ("result" in message or "error" in message)
            for message in self._messages()
        )

    def _messages(self) -> list[Any]:
        if not self.is_stream:
            return [self.json]
        messages = []
        for block in self.text.replace("\r\n", "\n").split("\n\n"):
            lines = [line[5:].lstrip() for line in block.split("\n") if line.startswith("data:")]
            try:
                messages.append(json.loads("\n".join(lines)))
            except (ValueError, RecursionError):
                continue
        return messages
