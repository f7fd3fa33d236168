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
from tests.tour.features import FEATURES
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
        for number, feature in enumerate(FEATURES, start=1):
            wire = Wire(base, http)
            wire.learn(token, "ACCESS-TOKEN")
            try:
                with wire.page() as exchanges:
                    await feature.visit(wire, token)
            finally:
                await wire.close()
            pages[f"{number:02}-{feature.name}.json"] = {
                "title": feature.title,
                "revisions": feature.revisions,
                "about": feature.about,
                "deprecated": [deprecation(name) for name in feature.deprecated],
                "exchanges": exchanges,
            }
    return pages


def deprecation(name: str) -> dict[str, str]:
    """What docs/features.md says of a deprecated feature."""
    (row,) = (row for row in rows("features.md", "Deprecated") if row["Deprecated"] == name)
    columns = {"since": "Since", "removal": "Earliest removal", "instead": "Use instead"}
    return {"name": name} | {key: row[column].replace("`", "") for key, column in columns.items()}


def recorded() -> dict[str, Page]:
    """What the files have."""
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def write(pages: dict[str, Page]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, page in pages.items():
        (FOLDER / name).write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n")
