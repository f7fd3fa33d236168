"""Where the audit is written, and that nobody can disturb it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from everything_site import audit
from everything_site.audit.log import AuditHandler
from tests.support.audit_lines import Lines, audit_in


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    with audit_in(tmp_path / "audit.log") as written:
        yield written


def test_a_file_that_was_moved_away_is_made_anew_and_only_its_owner_may_read_it(lines: Lines) -> None:
    audit.write("first")
    moved = lines.path.rename(lines.path.with_suffix(".1"))
    audit.write("second")
    assert [Lines(moved).one()["message"], lines.one()["message"]] == ["first", "second"]
    assert lines.path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_cannot_be_written_stops_nothing_and_is_logged_once(
    lines: Lines, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    handler = AuditHandler(str(tmp_path / "missing" / "audit.log"))
    logging.getLogger("audit").handlers = [handler]
    audit.write("first")
    audit.write("second")
    assert caplog.messages == ["audit cannot be written"]


async def test_lines_of_processes_that_write_to_one_file_stay_whole(lines: Lines) -> None:
    handlers = [AuditHandler(str(lines.path)) for _ in range(4)]

    def many(handler: AuditHandler) -> None:
        for number in range(200):
            handler.write(json.dumps({"number": number, "text": "x" * 500}))

    await asyncio.gather(*(asyncio.to_thread(many, handler) for handler in handlers))
    assert len(lines.all()) == 4 * 200


def test_a_line_after_one_that_was_cut_off_is_whole(lines: Lines) -> None:
    audit.write("first")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lines.path.stat().st_size + 10, hard))
    try:
        audit.write("cut off")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    audit.write("third")
    audit.write("fourth")
    first, cut_off, *others = lines.text.splitlines()
    assert len(cut_off) == 10
    assert [json.loads(line)["message"] for line in (first, *others)] == ["first", "third", "fourth"]


def test_a_thread_that_opens_the_file_anew_does_not_close_it_while_another_one_writes(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = AuditHandler(str(lines.path))
    moved = lines.path.with_suffix(".1")
    second = threading.Thread(target=handler.write, args=['"second"'])
    write = os.write

    def write_while_the_file_is_moved(descriptor: int, data: bytes) -> int:
        if b"first" in data:
            lines.path.rename(moved)
            second.start()
            second.join(0.1)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_while_the_file_is_moved)
    handler.write('"first"')
    second.join(10)
    assert (moved.read_text(), lines.text) == ('"first"\n', '"second"\n')


@pytest.mark.parametrize("many", [1, 20, 50])
def test_a_line_is_short_enough_for_one_write_to_a_pipe_whatever_its_values_are(
    lines: Lines, many: int
) -> None:
    audit.write("MCP request", **{f"field_{number}": "😀" * 1000 for number in range(many)}, outcome="result")
    line = lines.one()
    assert len(lines.text) <= 4096
    assert line["outcome"] == "result"
    assert datetime.fromisoformat(line["time"])
    assert all(line[f"field_{number}"].endswith("…") for number in range(many))
