"""Where the lines of the audit go: to stderr or a file, each before its event can be noticed."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from everything_site.logs import JsonFormatter, bounded

logger = logging.getLogger(__name__)

STDERR = "stderr"
OFF = "off"

_MAX_LINE_BYTES = 4096
"""Bytes, with the line end: what Linux writes to a pipe in one piece (pipe(7), PIPE_BUF)."""

_encode = json.JSONEncoder(default=str, separators=(",", ":")).encode


def configuration(destination: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The handler and the logger of the audit, for the LOGGING setting.

    Args:
        destination: `stderr`, `off`, or the path of a file.
    """
    if destination == OFF:
        return {"class": "logging.NullHandler"}, {"handlers": ["audit"], "propagate": False}
    handler = {"()": AuditHandler, "destination": destination}
    return handler, {"handlers": ["audit"], "propagate": False, "level": "INFO"}


class AuditFormatter(JsonFormatter):
    """One JSON object per line, in ASCII: no character of a client can end a line, whatever reads it.

    If a line is too long for one write to a pipe, its longest values are shortened.
    """

    def encoded(self, line: dict[str, Any]) -> str:
        text = super().encoded(line)
        if text.isascii() and len(text) < _MAX_LINE_BYTES:
            return text
        text = _encode(line)
        while len(text) >= _MAX_LINE_BYTES:
            longest = max(line, key=lambda name: len(_encode(line[name])))
            value = str(line[longest])
            if len(value) < 2:
                break  # there are hundreds of fields
            line[longest] = bounded(value, (len(value) - 1) // 2)
            text = _encode(line)
        return text


class AuditHandler(logging.Handler):
    """Writes each line at once: a process that is killed has written it, or has not done what it reports.

    Args:
        destination: `stderr`, or the path of a file.
    """

    def __init__(self, destination: str) -> None:
        super().__init__()
        self.setFormatter(AuditFormatter())
        self._write: Callable[[str], None] = _to_stderr if destination == STDERR else _File(destination).write
        self._is_failing = False

    def write(self, line: str) -> None:
        """Write a line. One that cannot be written is lost, which is logged: a full disk ends no service.

        Args:
            line: The line, without its end.
        """
        try:
            self._write(line + "\n")
        except (OSError, ValueError) as error:
            if not self._is_failing:
                logger.error("audit cannot be written", extra={"reason": str(error)})
            self._is_failing = True
        else:
            self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        self.write(self.format(record))


def _to_stderr(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


class _File:
    """A file to which several processes may append: a line is one write. It may be moved away at any time."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._writing = threading.Lock()
        self._descriptor: int | None = None
        self._identity = (0, 0)
        self._is_cut_off = False
        """Whether the last line lacks its end."""

    def write(self, line: str) -> None:
        """
        Raises:
            OSError: It cannot be opened, or is full.
        """
        with self._writing:  # no other thread closes the descriptor meanwhile
            descriptor = self._opened()
            data = ("\n" * self._is_cut_off + line).encode()
            self._is_cut_off = os.write(descriptor, data) < len(data)
            if self._is_cut_off:
                raise OSError("no space left for a whole line")

    def _opened(self) -> int:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            found = None
        if self._descriptor is not None and found and (found.st_dev, found.st_ino) == self._identity:
            return self._descriptor
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
        self._is_cut_off = False
        # Only its owner may read who did what.
        opened = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        status = os.fstat(opened)
        self._descriptor, self._identity = opened, (status.st_dev, status.st_ino)
        return opened
