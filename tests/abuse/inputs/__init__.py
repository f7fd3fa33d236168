"""Inputs that are meant to stop a process: forms, heads, bodies and parameters.

Each is as large as the server accepts, or a little larger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.abuse.site import Site

PERSON = "mallory"
"""Who attacks with a token; the others are strangers."""

BODY = 4 * 1024 * 1024 - 4096
"""Nearly `MCP_MAX_BODY_BYTES`."""

HEAD = 15_000
"""Nearly the largest head that Daphne reads."""


@dataclass(frozen=True)
class Input:
    """One input; `make` does what must precede it, and returns the bytes that are then sent."""

    group: str
    name: str
    make: Callable[[Site], bytes]
