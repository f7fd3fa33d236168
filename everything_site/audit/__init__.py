"""The audit: a line for each MCP request, for each step of a sign-in, and for what operators do.

docs/audit.md lists the events and their fields, whose names do not change. No line has an argument, a result,
a token, a code, a header or a query. What clients choose is truncated.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from everything_site.audit.log import AuditHandler
from everything_site.logs import LineFormatter, bounded, request_id
from mcp_app.ids import short_id
from mcp_app.observers import AnswerFacts, CallFacts, Observer

_LOGGER = logging.getLogger("audit")

_MAX_LENGTH = 300
"""Characters of a value; `AuditFormatter` shortens further what makes a line too long."""


def write(event: str, **fields: Any) -> None:
    """Write a line, unless the audit is off.

    Args:
        event: What happened.
        fields: What is known of it; those that are None or empty are left out.
    """
    _write(event, {name: bounded(value, _MAX_LENGTH) for name, value in fields.items()})


def _write(event: str, fields: dict[str, Any]) -> None:
    for handler in _LOGGER.handlers:
        if isinstance(handler, AuditHandler) and isinstance(handler.formatter, LineFormatter):
            known = {name: value for name, value in fields.items() if value is not None and value != ""}
            if current := request_id.get():
                known["request_id"] = current
            handler.write(handler.formatter.line(time.time(), "INFO", _LOGGER.name, event, known))


class Audit(Observer):
    """Writes a line for each MCP request, before it is answered."""

    def answered(self, request: CallFacts, answer: AnswerFacts) -> None:
        event = "task run" if request.kind == "task" else "MCP request"
        fields = {
            "username": request.username,
            "user": bounded(request.subject, _MAX_LENGTH),
            "client": request.client,
            "session": request.session and short_id(request.session),
            "revision": request.revision,
            "method": request.method,
            "tool": request.tool,
            "resource": request.resource,
            "id": request.id,
            "outcome": answer.kind,
            "code": answer.code,
            "status": answer.status,
            "reason": answer.reason,
            "milliseconds": round(answer.seconds * 1000, 1),
            "attempt": answer.attempt if answer.attempt > 1 else None,
            "trace_id": request.trace_id,
        }
        _write(event, fields)
