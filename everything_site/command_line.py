"""Runs a management command, and explains errors that end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

READERS = frozenset({"activity", "doctor", "help", "server_json", "sessions", "settings"})
"""Commands that store nothing in the state folder, and may run without one."""

current: ContextVar[str | None] = ContextVar("command", default=None)
"""The management command that this process runs, if it was started to run one; also while it serves."""

stores_nothing: ContextVar[bool] = ContextVar("stores_nothing", default=False)
"""Whether it is one of the readers, or only prints its help."""


def execute(words: list[str]) -> None:
    """Run a management command.

    Args:
        words: The name of the program, the command and its arguments.
    """
    from django.core.management import execute_from_command_line

    with explained(), running(*words[1:]):
        execute_from_command_line(words)


@contextmanager
def running(command: str = "help", *arguments: str) -> Iterator[None]:
    """Set `current` and `stores_nothing` in the block.

    Args:
        command: The name of the command that it runs.
        arguments: The arguments of the command.
    """
    before = current.set(command)
    stored_nothing = stores_nothing.set(command in READERS or asks_for_help(command, *arguments))
    try:
        yield
    finally:
        stores_nothing.reset(stored_nothing)
        current.reset(before)


def asks_for_help(*words: str) -> bool:
    """Whether a command line is answered with help.

    Args:
        words: The command and its arguments.
    """
    return words[:1] in ((), ("help",)) or not {"--help", "-h"}.isdisjoint(words)


@contextmanager
def explained() -> Iterator[None]:
    """Report errors that the user can fix in a sentence, without a traceback, and flush all output.

    Raises:
        SystemExit: Such an error occurred.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "everything_site.settings")
    try:
        with _flushed():
            yield
    except BrokenPipeError:  # the reader has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from everything_site.startup import explanation

        sentence = None if "--traceback" in sys.argv else explanation(error)
        if sentence is None:
            raise
        sys.exit(sentence)


@contextmanager
def _flushed() -> Iterator[None]:
    """Flush stdout at the end, also if the block exits, as after the help of a command."""
    try:
        yield
    except SystemExit:
        _flush()
        raise
    _flush()


def _flush() -> None:
    if sys.stdout is not None:  # as with `>&-`
        sys.stdout.flush()
