"""Logs: one JSON object a line in production, readable lines in development.

Every line that belongs to an HTTP request carries that request's id. Nothing that grants access is
ever logged: paths are logged without their query, and headers and bodies not at all.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pydantic_core

from everything_site.terminal import visible

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# What every LogRecord has; anything else came in by `extra=` and is a field of the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request"}


# What no line here shows is not gathered for each of them (logging HOWTO, "Optimization").
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def configuration(*, json: bool) -> dict[str, Any]:
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
                "class": "logging.StreamHandler",
                "formatter": "json" if json else "readable",
            },
            "nowhere": {"class": "logging.NullHandler"},  # without any handler Python writes to stderr
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            # Django's own handler would print the same line a second time.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Daphne's lines of a request hold the query, which may hold a code: ours are written instead.
            "django.channels.server": {"handlers": ["nowhere"], "propagate": False},
            # Its warning of an application that outlives its connection holds the query as well.
            "daphne": {"level": "ERROR"},
            "mcp": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "oauthlib": {"level": "INFO"},  # its DEBUG lines hold codes and tokens
        },
    }


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
    if current := request_id.get():
        fields["request_id"] = current
    return fields


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields given by `extra=`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return pydantic_core.to_json(line, fallback=str).decode()


class ReadableFormatter(logging.Formatter):
    """The same for a person: `12:30:05 INFO  mcp.sessions session opened client=… user=…`.

    What strangers say is in it: it neither begins a line of its own nor controls the terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = visible(f"{time} {record.levelname:<7} {record.name} {record.getMessage()}{fields}")
        if not record.exc_info:
            return line
        traceback = self.formatException(record.exc_info).split("\n")
        return "\n  ".join([line, *map(visible, traceback)])
