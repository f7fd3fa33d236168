"""docs/monitoring.md: its commands run, and its log lines match the code."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from mcp_app.ids import short_id
from mcp_app.observers import Observer
from tests.docs import metrics
from tests.docs.conftest import Busy
from tests.docs.markdown import DOCS, code, commands, rows

APPS = ("everything_site", "fakeupstream", "mcp_app", "oauth_app")
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error"}
STATE_THE_METHOD = "METHOD /path"


@pytest.mark.parametrize("own_redis", ["alone"], indirect=True)
async def test_every_command_runs(busy: Busy) -> None:
    for command in sorted(commands("monitoring.md"), key=lambda command: "--end" in command):  # that one last
        for name, value in (("$SESSION", busy.session.id), ("$BEGINNING", short_id(busy.session.id))):
            command = command.replace(name, value)
        assert await _run(busy, shlex.split(command)), command
    assert not busy.redis.keys(f"*{busy.session.id}*owner")


async def _run(busy: Busy, words: list[str]) -> Any:
    """The output of a documented command; redis-py stands in for redis-cli."""
    match words:
        case ["redis-cli", "--scan", "--pattern", pattern]:
            return list(busy.redis.scan_iter(pattern))
        case ["redis-cli", "SLOWLOG", *arguments]:
            return [await asyncio.to_thread(busy.redis.execute_command, "SLOWLOG", *arguments)]
        case ["redis-cli", *arguments]:
            return await asyncio.to_thread(busy.redis.execute_command, *arguments)
        case ["python", "manage.py", *arguments]:
            return await _manage(*arguments)
        case ["curl", "-s", url]:
            path = url.removeprefix("http://localhost:3232")
            response = await busy.process.http.request("GET", path, headers={"host": "localhost"})
            return response.status == 200
    raise AssertionError(f"The test does not know how to run {words}.")


async def _manage(*arguments: str) -> str:
    out = StringIO()
    await asyncio.to_thread(call_command, *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_every_log_line_is_documented_with_its_level() -> None:
    documented = [
        (code(row["Message"])[0], row["Level"]) for row in rows("monitoring.md", "Message", "Level")
    ]
    expected = dict(documented)
    assert len(expected) == len(documented), "documented twice"
    written = _log_lines()
    assert {line: level for line, level in written.items() if expected.get(line) != level} == {}
    assert set(expected) - set(written) == set(), "documented, and not written"


def _log_lines() -> dict[str, str]:
    """The messages that the code logs, with their levels; placeholders become an ellipsis."""
    found: dict[str, str] = {}
    for app in APPS:
        for path in (DOCS.parent / app).rglob("*.py"):
            found |= _log_lines_of(path)
    return found


def _log_lines_of(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id="logger" | "log"), attr=method) if method in LEVELS:
                level = LEVELS[method]
            case ast.Name(id="_log"):
                level = "info"
            case ast.Name(id="only_logged"):
                level = "warning"
            case _:
                continue
        for text in _texts(node.args[0]):
            line = STATE_THE_METHOD if text == "%s %s" else re.sub("%s", "…", text)
            found[line] = level
    return found


def _texts(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body) + _texts(orelse)
    return []


def test_every_hook_of_observers_is_documented() -> None:
    documented = {code(row["Hook"])[0] for row in rows("monitoring.md", "Hook", "Arguments")}
    assert documented == {name for name, hook in vars(Observer).items() if callable(hook)}


def test_the_table_of_metrics_is_current() -> None:
    text = metrics.PAGE.read_text()
    assert "<!-- table: metrics -->" in text
    assert metrics.with_table(text) == text, "run python -m tests.docs.metrics"
