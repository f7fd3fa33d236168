"""Log lines: JSON for machines, text for people, and nothing in them that grants access."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from everything_site.logs import JsonFormatter, ReadableFormatter, configuration, request_id
from mcp_app.conf import conf


def record(message: str = "session opened", /, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("mcp_app.sessions").makeRecord(
        "mcp_app.sessions", logging.INFO, __file__, 1, message, (), None, extra=extra
    )


def test_a_line_is_one_json_object_with_its_fields() -> None:
    line = JsonFormatter().format(record(user="alice", milliseconds=1.5))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "info",
        "process": conf.process_name,
        "logger": "mcp_app.sessions",
        "message": "session opened",
        "user": "alice",
        "milliseconds": 1.5,
    }


def test_a_readable_line_names_the_process_if_it_was_given_a_name(settings: Any) -> None:
    assert " mcp_app.sessions session opened" in ReadableFormatter().format(record())
    settings.MCP_PROCESS_NAME = "p2"
    assert " p2 mcp_app.sessions session opened" in ReadableFormatter().format(record())


@pytest.mark.parametrize("formatter", [JsonFormatter(), ReadableFormatter()])
def test_a_message_cannot_forge_a_second_line(formatter: logging.Formatter) -> None:
    forged = "one\r\n12:00:00 INFO    oauth_app signed in user=1\x1b[2J\u2028\u202e"
    for line in (formatter.format(record(forged)), formatter.format(record(client=forged))):
        assert not set(line) & set("\r\n\x1b")
    assert ReadableFormatter().format(record(client=forged)).isprintable()


def test_an_error_cannot_forge_a_line_either() -> None:
    try:
        raise ValueError("one\n12:00:00 INFO    oauth_app signed in user=1\x1b[2J")
    except ValueError:
        failed = record()
        failed.exc_info = sys.exc_info()
    _, *rest = ReadableFormatter().format(failed).split("\n")
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("formatter", [JsonFormatter(), ReadableFormatter()])
def test_lines_of_a_request_carry_its_id(formatter: logging.Formatter) -> None:
    token = request_id.set("0123456789abcdef")
    try:
        assert "0123456789abcdef" in formatter.format(record())
    finally:
        request_id.reset(token)
    assert "0123456789abcdef" not in formatter.format(record())


def test_an_error_brings_its_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        failed = record()
        failed.exc_info = sys.exc_info()
    assert "ValueError: broken" in json.loads(JsonFormatter().format(failed))["exception"]
    assert "ValueError: broken" in ReadableFormatter().format(failed)


def test_a_user_sees_a_readable_description() -> None:
    line = ReadableFormatter().format(record(user="alice"))
    assert line.endswith("INFO    mcp_app.sessions session opened user=alice")


def test_half_a_character_is_escaped() -> None:
    assert json.loads(JsonFormatter().format(record(path="\ud83d")))["path"] == "\ud83d"
    assert "path=\\ud83d" in ReadableFormatter().format(record(path="\ud83d"))


def test_values_that_are_not_json_are_logged_as_text() -> None:
    assert json.loads(JsonFormatter().format(record(place=sys)))["place"].startswith("<module 'sys'")


@pytest.mark.parametrize("name", ["daphne", "httpx2"])
def test_loggers_that_write_whole_urls_are_silenced(name: str) -> None:
    level = configuration(as_json=True)["loggers"][name]["level"]
    assert logging.getLevelNamesMapping()[level] > logging.INFO


@pytest.mark.parametrize("formatter", [JsonFormatter(), ReadableFormatter()])
def test_what_strangers_choose_does_not_make_a_line_long(formatter: logging.Formatter) -> None:
    long = "x" * 3_000_000
    assert len(formatter.format(record(client=long, reason=long))) < 2_000
    assert len(formatter.format(record(long))) < 20_000
    try:
        raise ValueError(long)
    except ValueError:
        failed = record()
        failed.exc_info = sys.exc_info()
    line = formatter.format(failed)
    assert len(line) < 20_000
    assert __file__ in line, "where it was raised"


@pytest.mark.parametrize("formatter", [JsonFormatter(), ReadableFormatter()])
def test_a_long_traceback_keeps_both_ends(formatter: logging.Formatter) -> None:
    try:
        try:
            raise ValueError("x" * 100_000)
        except ValueError as cause:
            raise LookupError("the exception itself") from cause
    except LookupError:
        failed = record()
        failed.exc_info = sys.exc_info()
    line = formatter.format(failed)
    assert len(line) < 20_000
    assert "Traceback (most recent call last)" in line
    assert "…" in line
    assert "LookupError: the exception itself" in line


@pytest.mark.django_db
def test_a_request_for_nothing_has_no_second_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/nowhere").status_code == 404
    assert [record for record in caplog.records if record.name == "django.request"] == []


@pytest.mark.django_db
def test_prune_logs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call_command("prune", "--json")
    lines = [(line.name, line.message) for line in caplog.records]
    assert lines == [("oauth_app", "expired rows deleted")]
