"""Recording the tour: a server process as in production, each feature driven over HTTP, and the files."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2

from tests.docs.markdown import rows
from tests.support.client import sign_in
from tests.support.deployment import deployment
from tests.tour.features import GROUPS
from tests.tour.page import Feature
from tests.tour.wire import PATIENCE, Wire

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "tour"

Page = dict[str, Any]


def record() -> dict[str, Page]:
    """Every page of the tour by its file's name, from a run of a real process."""
    with deployment(processes=1) as site:
        return asyncio.run(_record(site.url))


async def _record(base: str) -> dict[str, Page]:
    token = await sign_in(f"{base}/mcp")
    pages: dict[str, Page] = {}
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        for group, features in GROUPS.items():
            for feature in features:
                page = await _visit(feature, group, Wire(base, http), token)
                pages[f"{len(pages) + 1:02}-{feature.name}.json"] = page
    return pages


async def _visit(feature: Feature, group: str, wire: Wire, token: str) -> Page:
    wire.learn(token, "ACCESS-TOKEN")
    try:
        with wire.page() as made:
            await feature.visit(wire, token)
    finally:
        await wire.close()
    return {
        "title": feature.title,
        "group": group,
        "revisions": feature.revisions,
        "about": feature.about,
        "run": feature.run,
        "deprecated": [deprecation(name) for name in feature.deprecated],
        "steps": made["steps"],
        "recording": {"version": 1, "startedAt": 0, "exchanges": made["exchanges"], "room": []},
    }


def deprecation(name: str) -> dict[str, str]:
    """What docs/features.md says of a deprecated feature."""
    (row,) = (row for row in rows("features.md", "Deprecated") if row["Deprecated"] == name)
    columns = {"since": "Since", "removal": "Earliest removal", "instead": "Use instead"}
    return {"name": name} | {key: row[column].replace("`", "") for key, column in columns.items()}


def recorded() -> dict[str, Page]:
    """What the files have."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def timeless(value: Any) -> Any:
    """A page without its times, which differ from run to run."""
    match value:
        case dict():
            return {key: timeless(item) for key, item in value.items() if key not in ("at", "endedAt")}
        case list():
            return [timeless(item) for item in value]
    return value


def write(pages: dict[str, Page]) -> None:
    """Write the pages that say something new; the others keep their times."""
    FOLDER.mkdir(exist_ok=True)
    before = recorded()
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, page in pages.items():
        is_same = name in before and timeless(before[name]) == timeless(page)
        text = json.dumps(before[name] if is_same else page, indent=1, ensure_ascii=False)
        (FOLDER / name).write_text(text + "\n")
