"""What a page of the tour is: a function that drives the server and says what can be seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.tour.wire import Message, Wire

Visit = Callable[[Wire, str], Awaitable[None]]
"""Drives the server, given the wire and an access token."""


@dataclass(frozen=True)
class Feature:
    """One page of the tour."""

    name: str
    title: str
    revisions: str
    about: str
    run: str
    deprecated: tuple[str, ...]
    visit: Visit


def feature(
    title: str, revisions: str, about: str, *, run: str, deprecated: tuple[str, ...] = ()
) -> Callable[[Visit], Feature]:
    """Make a page of a function; its name, with hyphens, is the page's.

    Args:
        title: The page's heading.
        revisions: Which revisions have the feature.
        about: What it is, in one or two full sentences.
        run: The fragment by which the workbench prepares it: see `prepare`.
        deprecated: What the page shows that the specification has deprecated, by the names of the table in
            docs/features.md.
    """

    def made(visit: Visit) -> Feature:
        return Feature(visit.__name__.replace("_", "-"), title, revisions, about, run, deprecated, visit)

    return made


def prepare(place: str, revision: str, **arguments: Any) -> str:
    """A fragment of the workbench: what to open, at which revision, with which arguments."""
    kind, _, name = place.partition("/")
    return _fragment(f"{kind}/{quote(name, safe='')}" if name else kind, revision, arguments)


def play(scene: str, place: str, revision: str) -> str:
    """A fragment of the workbench that opens a scene at its place."""
    return f"{prepare(place, revision)}&scene={scene}"


def prepare_raw(revision: str, message: Message | list[Message]) -> str:
    """A fragment that puts a message of JSON-RPC, or a batch of them, into the editor of raw requests."""
    return _fragment("raw", revision, message)


def _fragment(path: str, revision: str, value: Any) -> str:
    fragment = f"#/{path}?rev={revision}"
    if not value:
        return fragment
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"{fragment}&args={base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}"


def is_request(method: str) -> Callable[[Message], bool]:
    return lambda message: message.get("method") == method


def is_status(status: str) -> Callable[[Message], bool]:
    return lambda message: message.get("params", {}).get("status") == status
