"""The lines of an audit in a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from everything_site.audit.log import AuditHandler


class Lines:
    """The lines of a file of the audit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def text(self) -> str:
        return self.path.read_text() if self.path.exists() else ""

    def all(self, **wanted: Any) -> list[dict[str, Any]]:
        """Those with these values."""
        found = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in found if wanted.items() <= line.items()]

    def one(self, **wanted: Any) -> dict[str, Any]:
        """The one with these values."""
        [line] = self.all(**wanted)
        return line


@contextmanager
def audit_in(path: Path) -> Iterator[Lines]:
    """Write the audit to this file meanwhile."""
    logger = logging.getLogger("audit")
    before, logger.handlers = logger.handlers, [AuditHandler(str(path))]
    try:
        yield Lines(path)
    finally:
        logger.handlers = before
