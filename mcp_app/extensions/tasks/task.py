"""A task as it was when it was read, and its shapes on the wire (SEP-2663, "Tasks")."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from mcp_app.exceptions import Unreadable, reading

VERSION = "1"
"""The version of a task's record. Raise it with a change that the previous release would misread; additional
fields are ignored."""

MAX_ID_LENGTH = 128
"""Characters of a task's id; those made here are shorter."""

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]
TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})

QUESTION = "ask:"
"""Prefix of the record's fields that hold an outstanding question, by its key on the wire."""

ANSWER = "answer:"
"""Prefix of the record's fields that hold an answer, by the key that the tool gave the question."""


@dataclass(frozen=True)
class Question:
    """A question that waits for its answer: the tool's key for it, and the request to the client."""

    key: str
    request: dict[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Question:
        fields = json.loads(text)
        return cls(fields["key"], fields["request"])


@dataclass(frozen=True)
class Task:
    """One task.

    `params` are those of its `tools/call`, `lost` is the number of runs whose process died.
    """

    id: str
    owner: str
    tool: str
    params: dict[str, Any]
    status: Status
    created_at: float
    updated_at: float
    ttl_ms: int
    poll_ms: int
    run: str = ""
    lost: int = 0
    message: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    state: str | None = None
    asked: tuple[str, ...] = ()
    questions: dict[str, Question] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    is_leased: bool = True

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_released(self) -> bool:
        """Whether its process released it during a shutdown: any other may continue it."""
        return self.status == "working" and not self.run

    @property
    def is_lost(self) -> bool:
        """Whether the lease of its run has expired, which may mean that its process died."""
        return self.status == "working" and not self.is_leased

    @property
    def expires_at(self) -> float:
        return self.created_at + self.ttl_ms / 1000

    def summary(self) -> dict[str, Any]:
        """The common metadata; the fields of `CreateTaskResult`, except its discriminator."""
        wire: dict[str, Any] = {
            "taskId": self.id,
            "status": self.status,
            "createdAt": _iso(self.created_at),
            "lastUpdatedAt": _iso(self.updated_at),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": self.poll_ms,
        }
        if self.message is not None:
            wire["statusMessage"] = self.message
        return wire

    def details(self) -> dict[str, Any]:
        """`DetailedTask`: the result of `tasks/get`, and the parameters of `notifications/tasks`."""
        wire = self.summary()
        match self.status:
            case "input_required":
                wire["inputRequests"] = {key: question.request for key, question in self.questions.items()}
            case "completed":
                wire["result"] = self.result or {}
            case "failed":
                wire["error"] = self.error or {}
        return wire

    def to_fields(self) -> dict[str, str]:
        """The record of a new task."""
        return {
            "version": VERSION,
            "owner": self.owner,
            "tool": self.tool,
            "params": to_json(self.params),
            "status": self.status,
            "created": repr(self.created_at),
            "updated": repr(self.updated_at),
            "ttl": str(self.ttl_ms),
            "poll": str(self.poll_ms),
            "run": self.run,
        }

    @classmethod
    @reading()
    def from_fields(cls, task_id: str, fields: dict[str, str], *, is_leased: bool) -> Task:
        """
        Raises:
            Unreadable: The record is of another version, or malformed.
        """
        if (version := fields.get("version", "1")) != VERSION:  # the first one was not written
            raise Unreadable(f"version {version}")
        if fields["status"] not in get_args(Status):
            raise ValueError(fields["status"])
        return cls(
            id=task_id,
            owner=fields["owner"],
            tool=fields["tool"],
            params=_object(fields["params"]),
            status=cast(Status, fields["status"]),
            created_at=_moment(fields["created"]),
            updated_at=_moment(fields["updated"]),
            ttl_ms=int(fields["ttl"]),
            poll_ms=int(fields["poll"]),
            run=fields["run"],
            lost=int(fields.get("lost", 0)),
            message=fields.get("message"),
            result=_object(fields["result"]) if "result" in fields else None,
            error=_object(fields["error"]) if "error" in fields else None,
            state=fields.get("state") or None,
            asked=tuple(json.loads(fields.get("asked", "[]"))),
            questions={
                name.removeprefix(QUESTION): Question.from_json(value)
                for name, value in sorted(fields.items())
                if name.startswith(QUESTION)
            },
            answers={
                name.removeprefix(ANSWER): json.loads(value)
                for name, value in fields.items()
                if name.startswith(ANSWER)
            },
            is_leased=is_leased,
        )


def to_json(value: Any) -> str:
    """A value as compact JSON, without escaping non-ASCII text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # an unpaired surrogate, which only a tool can have made
        return json.dumps(value, separators=(",", ":"))
    return text


def size(text: str) -> int:
    """The bytes of a text in UTF-8."""
    return len(text.encode())


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError(type(value))
    return value


def _moment(text: str) -> float:
    """A time as a record has it; one that `_iso` can show."""
    moment = float(text)
    _iso(moment)
    return moment


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
