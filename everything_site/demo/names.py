"""The names of the tools: those that clients of other servers know, or all in one style.

Directories want one style. Whichever is chosen, a tool that has another name elsewhere, or had one, also
answers to that name, which is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings

from mcp_app.access import unlisted
from mcp_app.server import ToolServer

T = TypeVar("T")

KEBAB_CASE = "kebab-case"

ELSEWHERE = {
    # example-remote-server
    "longRunningOperation": "long-running-operation",
    "sampleLLM": "sample-llm",
    "getTinyImage": "get-tiny-image",
    "annotatedMessage": "annotated-message",
    "getResourceReference": "get-resource-reference",
    "elicitInputs": "elicit-inputs",
    "mcp_apps_hello_world": "mcp-apps-hello-world",
    # the conformance suite
    "slow_compute": "slow-compute",
    "confirm_delete": "confirm-delete",
}
"""By the name in another project, the name with hyphens."""

EARLIER = {"get-tiny-audio": "getTinyAudio"}
"""By the name of a tool of this project, its earlier name."""

_NAMES = re.compile(rf"\b({'|'.join(ELSEWHERE)})\b")


def listed_name(name: str) -> str:
    """The listed name of a tool, by its name in the code."""
    return ELSEWHERE.get(name, name) if settings.TOOL_NAMES == KEBAB_CASE else name


def other_name(name: str) -> str | None:
    """The other name that it answers to, if there is one."""
    if not settings.TOOL_ALIASES:
        return None
    return name if listed_name(name) != name else EARLIER.get(name)


def for_all_names(by_name: Mapping[str, T]) -> dict[str, T]:
    """A mapping by the names of tools, extended to each name that they answer to."""
    found: dict[str, T] = {}
    for name, value in by_name.items():
        found |= dict.fromkeys(filter(None, (listed_name(name), other_name(name))), value)
    return found


def in_words(text: str) -> str:
    """A text with the listed names in place of those in the code."""
    return _NAMES.sub(lambda match: listed_name(match[0]), text)


class NamedServer(ToolServer):
    """A server whose tools have the names that were chosen."""

    def add_tool(self, fn: Callable[..., Any], name: str | None = None, *args: Any, **options: Any) -> None:
        """Add a tool, and once more by its other name."""
        name = name or fn.__name__
        super().add_tool(fn, listed_name(name), *args, **options)
        if other := other_name(name):
            options["meta"] = {**(options.get("meta") or {}), **unlisted()}
            super().add_tool(fn, other, *args, **options)
