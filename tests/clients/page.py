"""Writes docs/clients.md and the results that it shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.clients.catalogue import BASE, CHECKS, Client, Mode
from tests.clients.running import IDLE_SECONDS, LEASE_SECONDS, Result

RESULTS = Path(__file__).with_name("results.json")
TEMPLATE = Path(__file__).with_name("page.md")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"

FULL = (
    *BASE,
    "progress",
    "sampling",
    "elicitation",
    "elicitation by URL",
    "roots",
    "completion",
    "prompts",
    "resources",
    "all pages",
)
"""The checks that the table calls "full" when all of them pass, with what a revision has besides."""


def load() -> dict[str, Any]:
    """The last results, by client and mode."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def write(clients: Sequence[Client], results: Sequence[Result]) -> None:
    """Put new results in the place of the old ones, and write the page.

    Args:
        clients: All clients that are described.
        results: What was found of those that ran.
    """
    kept = load()
    today = datetime.now(UTC).date().isoformat()
    for result in results:
        kept.setdefault(result.client, {})[result.mode] = {**asdict(result), "date": today}
    modes = {client.name: [mode.name for mode in client.modes] for client in clients}
    ordered = {
        name: {mode: kept[name][mode] for mode in modes[name] if mode in kept[name]}
        for name in modes
        if name in kept
    }
    RESULTS.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(page(clients, ordered))


def page(clients: Sequence[Client], results: dict[str, Any]) -> str:
    """The text of docs/clients.md."""
    dates = {found["date"] for modes in results.values() for found in modes.values()}
    return TEMPLATE.read_text().format(
        dates=" to ".join(sorted({min(dates), max(dates)})),
        results="\n".join(row for client in clients for row in _rows(client, results.get(client.name, {}))),
        base=_code(BASE),
        full=_code([check for check in FULL if check not in BASE]),
        checks="\n".join(f"| `{name}` | {what} |" for name, what in CHECKS.items()),
        idle=IDLE_SECONDS,
        lease=LEASE_SECONDS,
        configured="\n".join(f"| {client.title} | {client.configured} |" for client in clients),
        known="\n".join(f"| {client.title} | {client.know} |" for client in clients if client.know),
    )


def _rows(client: Client, found: dict[str, Any]) -> list[str]:
    sign_in = {"oauth": "itself", "bearer": "token"}[client.sign_in]
    if client.not_run:
        return [f"| {client.title} | {client.version} | | | not run | {client.not_run} |"]
    rows = []
    for mode in client.modes:
        result = found.get(mode.name)
        if result is None:
            rows.append(f"| {client.title} | {client.version} | {mode.name} | {sign_in} | not run yet | |")
            continue
        revision = result["revision"] or mode.name
        works, fails = summary(result["passed"]), _failures(mode, result["failed"])
        if result["error"]:
            fails = "; ".join(filter(None, [fails, result["error"]]))
        rows.append(f"| {client.title} | {result['version']} | {revision} | {sign_in} | {works} | {fails} |")
    return rows


def summary(passed: Sequence[str]) -> str:
    """What passed in few words: `full` or `base` where all of that passed, and the rest by name."""
    left = [check for check in CHECKS if check in passed and check != "connect"]
    for word, checks in (("full", FULL), ("base", BASE)):
        if set(checks) <= set(left):
            return ", ".join([word, *_outages([check for check in left if check not in checks])])
    return ", ".join(_outages(left)) or ("connects" if "connect" in passed else "nothing")


def _outages(checks: Sequence[str]) -> list[str]:
    """The checks, with the outages as one."""
    seconds = [check.split()[1] for check in checks if check.startswith("outage ")]
    named = [check for check in checks if not check.startswith("outage ")]
    return [*named, f"outages of {', '.join(seconds)} s"] if seconds else named


def _failures(mode: Mode, failed: dict[str, str]) -> str:
    """What failed, grouped by its reason, in our words where they are given."""
    grouped: dict[str, list[str]] = {}
    for check in (check for check in CHECKS if check in failed):
        reason = mode.fails.get(check) or failed[check].replace("|", "\\|")
        grouped.setdefault(reason, []).append(check)
    return "; ".join(f"{', '.join(_outages(checks))}: {reason}" for reason, checks in grouped.items())


def _code(checks: Sequence[str]) -> str:
    return ", ".join(f"`{check}`" for check in checks)
