"""Checks of all tools of a server, as directories ask for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mcp_app.doctor.findings import Finding, Findings, Level
from mcp_app.doctor.requirements import Requirements

MAX_NAME_LENGTH = 64
_STYLES = (re.compile(r"[a-z0-9]+(_[a-z0-9]+)*"), re.compile(r"[a-z0-9]+(-[a-z0-9]+)*"))
"""Snake case and kebab case."""
_MAX_NAMES = 8
"""How many tools are named in a sentence."""

Tool = dict[str, Any]


def check_tools(step: str, tools: Sequence[Tool] | None, wanted: Requirements) -> list[Finding]:
    """What the tools lack, with their names.

    Args:
        step: The step of the findings.
        tools: The tools; None if they are not known.
        wanted: What a directory asks for.
    """
    found = Findings(step)
    if tools is None:
        says = "The tools can be seen only after sign-in; see --as, --sign-in and --token."
        return [Finding(step, Level.SKIPPED, says)]
    if not tools:
        found.fault("There are no tools.")

    def lacking(what: str, is_good: Callable[[Tool], bool]) -> None:
        if names := [str(tool.get("name")) for tool in tools if not is_good(tool)]:
            found.fault(f"{_counted(names, tools)} {what}")

    if wanted.titles:
        lacking("lack a title.", lambda tool: bool(tool.get("title") or _annotations(tool).get("title")))
    lacking("lack a description.", lambda tool: bool(tool.get("description")))
    if hints := wanted.hints:
        choose = any if wanted.any_hint else all
        lacking(
            f"lack {' or '.join(hints) if wanted.any_hint else 'one of ' + ', '.join(hints)}.",
            lambda tool: choose(isinstance(_annotations(tool).get(hint), bool) for hint in hints),
        )
    lacking(
        f"have names of more than {MAX_NAME_LENGTH} characters.",
        lambda tool: len(_name(tool)) <= MAX_NAME_LENGTH,
    )
    if wanted.one_style:
        lacking("have names in neither snake case nor kebab case.", lambda tool: _has_style(_name(tool)))
    undescribed = [_name(tool) for tool in tools if not _describes_parameters(tool)]
    if undescribed:
        found.warning(f"{_counted(undescribed, tools)} have parameters without a description.")
    without = [_name(tool) for tool in tools if not tool.get("outputSchema")]
    if wanted.schemas and tools and len(without) == len(tools):
        found.fault("No tool has an output schema.")
    findings = found.ok(f"{len(tools)} tools with titles, descriptions and hints.")
    if wanted.schemas and 0 < len(without) < len(tools):
        says = (
            f"{_counted(without, tools)} have no output schema, which is right if they return content only."
        )
        findings = [*findings, Finding(step, Level.SKIPPED, says)]
    return findings


def _has_style(name: str) -> bool:
    return any(style.fullmatch(name) for style in _STYLES)


def _name(tool: Tool) -> str:
    return str(tool.get("name"))


def _annotations(tool: Tool) -> dict[str, Any]:
    found = tool.get("annotations")
    return found if isinstance(found, dict) else {}


def _describes_parameters(tool: Tool) -> bool:
    schema = tool.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return True
    return all(isinstance(one, dict) and one.get("description") for one in properties.values())


def _counted(names: Sequence[str], tools: Sequence[Tool]) -> str:
    shown = ", ".join(names[:_MAX_NAMES]) + ", …" * (len(names) > _MAX_NAMES)
    return f"{len(names)} of {len(tools)} tools ({shown})"
