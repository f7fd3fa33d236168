"""What a page of the tour is: a function that drives the server and says what is to be seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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
    deprecated: tuple[str, ...]
    visit: Visit


def feature(
    title: str, revisions: str, about: str, *, deprecated: tuple[str, ...] = ()
) -> Callable[[Visit], Feature]:
    """Make a page of a function; its name, with hyphens, is the page's.

    Args:
        title: The page's heading.
        revisions: Which revisions have the feature.
        about: What it is, in a sentence.
        deprecated: What the page shows that the specification has deprecated, by the names of the table in
            docs/features.md.
    """

    def made(visit: Visit) -> Feature:
        return Feature(visit.__name__.replace("_", "-"), title, revisions, about, deprecated, visit)

    return made


def is_request(method: str) -> Callable[[Message], bool]:
    return lambda message: message.get("method") == method


def is_status(status: str) -> Callable[[Message], bool]:
    return lambda message: message.get("params", {}).get("status") == status
