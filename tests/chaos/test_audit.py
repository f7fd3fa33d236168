"""The check of the audit in a chaos run finds what is missing, doubled or leaked."""

from __future__ import annotations

import json
from typing import Any

from mcp_types import JSONRPCResponse

from tests.chaos.audit import Audit

SESSION = "0123456789abcdef"


def checked(*lines: dict[str, Any], secret: str = "secret") -> Audit:
    """The verdict on these lines, if one call of a session was answered, and one POST."""
    audit = Audit(requests={"post": "POST"}, secrets={secret})
    audit.on_message(SESSION, JSONRPCResponse(jsonrpc="2.0", id=7, result={}))
    audit.check("\n".join(json.dumps({"message": "MCP request", **line}) for line in lines))
    return audit


def call(**more: Any) -> dict[str, Any]:
    return {"session": SESSION[:8], "id": "7", "request_id": "get", **more}


POST = {"request_id": "post", "method": "ping"}


def test_one_line_for_each_answer_is_right() -> None:
    assert checked(call(), POST).is_clean


def test_an_answer_without_a_line_is_found() -> None:
    assert checked(POST).missing == checked(call()).missing == 1
    assert not checked(POST).is_clean


def test_an_answer_with_two_lines_is_found() -> None:
    assert checked(call(), call(), POST).doubled == checked(call(), POST, POST).doubled == 1


def test_a_line_of_a_run_that_was_lost_is_no_second_one() -> None:
    audit = checked(call(), call(attempt=2), POST)
    assert (audit.is_clean, audit.superseded) == (True, 1)


def test_a_secret_is_found() -> None:
    assert checked(call(tool="a secret"), POST).leaked == 1
