"""Where the audit is written, and that nobody can disturb it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from everything_site import audit
from everything_site.audit_log import AuditHandler
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
