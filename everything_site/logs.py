"""Logs: one JSON object per line in production, readable lines in development.

Every line that belongs to an HTTP request has the id of the request. Nothing that grants access is
ever logged: paths are logged without their query, and headers and bodies not at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pydantic_core
from django.conf import settings

from mcp_app.conf import conf
from mcp_app.terminal import visible

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

FLUSH_SECONDS = 0.02
"""How long the line of a request may wait to be written with others."""

MAX_LINES = 500
"""How many lines may wait."""

_MAX_VALUE_LENGTH = 500
"""Longer texts in the fields of a record are truncated: clients may have chosen them."""

MAX_TEXT_LENGTH = 16_000
"""The same for messages and tracebacks."""

_NO_CONTEXT = Context()

# The attributes of every LogRecord; any others came from `extra=` and are fields of the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request"}


# Do not collect what no line shows (logging HOWTO, "Optimization").
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def configuration(*, as_json: bool) -> dict[str, Any]:
    """The LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": JsonFormatter},
            "readable": {"()": ReadableFormatter},
        },
        "handlers": {
            "console": {
                "()": ConsoleHandler,
                "formatter": "json" if as_json else "readable",
            },
            "suspicious": {"()": SuspiciousRequestHandler},
            "nowhere": {"class": "logging.NullHandler"},  # without any handler Python writes to stderr
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            # Django's own handler would print the same line a second time.
            "django": {"handlers": [], "propagate": True},
            # Its warnings about 4xx repeat the line of the request.
            "django.request": {"level": "ERROR"},
            # Whoever sends a request chooses whether it is suspicious: no error of ours, and no traceback.
            "django.security": {"handlers": ["suspicious"], "propagate": False},
            "django.server": {"handlers": [], "propagate": True},
            # Daphne's request lines contain the query, which may contain a code: ours replace them.
            "django.channels.server": {"handlers": ["nowhere"], "propagate": False},
            # Its warning about an application that outlives its connection also contains the query.
            "daphne": {"level": "ERROR"},
            "mcp": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "oauth2_provider.models": {"level": "WARNING"},  # `expired rows deleted` has the counts of prune
            "oauthlib": {"level": "INFO"},  # its DEBUG lines contain codes and tokens
        },
    }


class LineFormatter(logging.Formatter):
    """Formats a line from a time, a level, a logger, a message, and the fields given by `extra=`."""

    def line(self, at: float, level: str, logger: str, message: str, fields: dict[str, Any]) -> str:
        """The line, without the line end.

        Args:
            at: The time, in seconds since 1970.
            level: The name of the level.
            logger: The logger's name.
            message: The message.
            fields: The fields, by name.
        """
        raise NotImplementedError

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            key: bounded(value, _MAX_VALUE_LENGTH)
            for key, value in record.__dict__.items()
            if key not in _STANDARD
        }
        if current := request_id.get():
            fields["request_id"] = current
        if record.exc_info:
            fields["exception"] = _both_ends(self.formatException(record.exc_info), MAX_TEXT_LENGTH)
        message = bounded(record.getMessage(), MAX_TEXT_LENGTH)
        return self.line(record.created, record.levelname, record.name, message, fields)


def bounded(value: Any, length: int) -> Any:
    """A value; only the beginning of a longer text."""
    return f"{value[:length]}…" if isinstance(value, str) and len(value) > length else value


def _both_ends(text: str, length: int) -> str:
    """A traceback; only the beginning and the end of a longer one, as the exception is at the end."""
    half = length // 2
    return f"{text[:half]}…{text[-half:]}" if len(text) > length else text


class JsonFormatter(LineFormatter):
    """One JSON object per line."""

    def line(self, at: float, level: str, logger: str, message: str, fields: dict[str, Any]) -> str:
        time = f"{_second(int(at))}.{int(at % 1 * 1000):03}+00:00"
        line = {
            "time": time,
            "level": level.lower(),
            "process": conf.process_name,
            "logger": logger,
            "message": message,
            **fields,
        }
        return self.encoded(line)

    def encoded(self, line: dict[str, Any]) -> str:
        """The line, on one line."""
        try:
            return pydantic_core.to_json(line, fallback=str).decode()
        except pydantic_core.PydanticSerializationError:  # an unpaired surrogate
            return json.dumps(line, default=str)


@lru_cache(maxsize=1)
def _second(at: int) -> str:
    """A second in UTC, cached until the next: formatting it costs as much as the rest of a line."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class ReadableFormatter(LineFormatter):
    """A readable line: `12:30:05 INFO  p1 mcp.sessions session opened client=… user=…`.

    It names the process only if a setting does: one that runs alone needs no name.
    Text from strangers can neither start a new line nor control the terminal.
    """

    def line(self, at: float, level: str, logger: str, message: str, fields: dict[str, Any]) -> str:
        time = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
        extra = "".join(f" {key}={value}" for key, value in fields.items() if key != "exception")
        traceback = str(fields["exception"]).split("\n") if "exception" in fields else ()
        process = getattr(settings, "MCP_PROCESS_NAME", "")
        line = f"{time} {level:<7} {process}{' ' * bool(process)}{logger} {message}{extra}"
        return "\n  ".join(map(visible, [line, *traceback]))


class ConsoleHandler(logging.StreamHandler[Any]):
    """Writes log lines to stderr: a record immediately, the lines of requests in batches.

    A write for each request would cost more than the rest of its line. A process that is killed loses the
    lines of its last 20 ms.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._flushes_in: asyncio.AbstractEventLoop | None = None

    def write_soon(self, line: str) -> None:
        """Write a line within `FLUSH_SECONDS`. Called in an event loop."""
        self._lines.append(line + self.terminator)
        loop = asyncio.get_running_loop()
        if len(self._lines) >= MAX_LINES:
            self.flush()
        elif self._flushes_in is not loop:
            self._flushes_in = loop
            loop.call_later(FLUSH_SECONDS, self.flush, context=_NO_CONTEXT)

    def emit(self, record: logging.LogRecord) -> None:
        self._write_lines()  # they came before
        super().emit(record)

    def flush(self) -> None:
        self._write_lines()
        with suppress(OSError, ValueError):
            super().flush()

    def _write_lines(self) -> None:
        self._flushes_in = None
        lines, self._lines = self._lines, []
        if lines:
            with suppress(OSError, ValueError):  # stderr is gone
                self.stream.write("".join(lines))


class SuspiciousRequestHandler(logging.Handler):
    """Passes records about suspicious requests to the root logger, as short warnings without a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "levelno": logging.WARNING,
            "levelname": logging.getLevelName(logging.WARNING),
            "msg": bounded(record.getMessage(), _MAX_VALUE_LENGTH),
            "args": (),
            "exc_info": None,
            "exc_text": None,
        }
        logging.getLogger().handle(logging.makeLogRecord({**vars(record), **fields}))


def console_of(logger: logging.Logger) -> ConsoleHandler | None:
    """The console, if lines of a logger go there and nowhere else."""
    if logger.filters:
        return None
    while logger.parent is not None:
        if logger.handlers or not logger.propagate:
            return None
        logger = logger.parent
    console = None
    for handler in logger.handlers:
        if isinstance(handler, ConsoleHandler) and console is None and not handler.filters:
            console = handler
        elif handler.level <= logging.INFO:
            return None
    return console if console is not None and isinstance(console.formatter, LineFormatter) else None
