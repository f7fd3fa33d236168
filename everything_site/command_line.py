"""Runs a management command, and explains errors that end it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current: ContextVar[str | None] = ContextVar("command", default=None)
"""The management command that this process runs, if it was started to run one; also while it serves."""


def execute(words: list[str]) -> None:
    """Run a management command.

    Args:
        words: The name of the program, the command and its arguments.
    """
    from django.core.management import execute_from_command_line

    with explained(), running(words[1] if len(words) > 1 else "help"):
        execute_from_command_line(words)


@contextmanager
def running(command: str) -> Iterator[None]:
    """Name a management command as `current` in the block.

    Args:
        command: Its name.
    """
    before = current.set(command)
    try:
        yield
    finally:
        current.reset(before)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors that a person can repair into a sentence without a traceback, and write all output.

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
