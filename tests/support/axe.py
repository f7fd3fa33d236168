"""axe-core, the accessibility checker, run in a page of Chromium.

With SCREENSHOTS=FOLDER in the environment, screenshots of what is checked are stored there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import get_args

from tests.support import node
from tests.support.chromium import Chromium, Scheme

PACKAGE = node.PACKAGES / "axe-core"
STANDARDS = [
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
]
"""WCAG 2.2 AA includes the earlier levels and versions."""

OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules whose results depend on the theme."""

LOOKS: list[tuple[int, Scheme]] = [(width, scheme) for width in (1280, 390) for scheme in get_args(Scheme)]

OTHER_WIDTHS = (768, 320)
"""320 pixels are what remains of 1280 at 400 % zoom (WCAG 1.4.10)."""

SETTLED_SECONDS = 3.0
"""What scripts place may be too wide until they have drawn it again."""

_RUN = """
axe.run(document, {runOnly: %s, resultTypes: ["violations"]}).then(
  (results) => results.violations.map(({id, nodes}) => {
    const places = nodes.map(({target}) => target.join(" ")).join(", ");
    return `${id}: ${places}: ${nodes[0].failureSummary}`;
  }),
)
"""


def missing() -> str | None:
    """Why axe-core cannot be used; None if it can."""
    wanted = json.loads((node.FOLDER / "package.json").read_text())["devDependencies"]["axe-core"]
    manifest = PACKAGE / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != wanted:
        return f"axe-core {wanted} is not installed: {node.HOW}"
    return None


def faults(browser: Chromium, state: str, looks: Sequence[tuple[int, Scheme]] = LOOKS) -> list[str]:
    """What is wrong with a page, in both themes, on a phone, on a screen, and at 400 % zoom.

    Args:
        state: What the page shows.
        looks: The widths and themes in which axe-core looks at it.
    """
    found: list[str] = []
    for width in OTHER_WIDTHS:
        _look(browser, state, width, "light", found)
    for width, scheme in looks:
        _look(browser, state, width, scheme, found)
        rules = OF_COLOURS if scheme == "dark" else None
        found += [f"{width} {scheme} {violation}" for violation in violations(browser, rules)]
    return found


def _look(browser: Chromium, state: str, width: int, scheme: Scheme, found: list[str]) -> None:
    """Lay the page out, and add to what was found if it is too wide."""
    browser.show_as(width, scheme, motion=False)  # colours in transition have no contrast
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", state)
        (Path(folder) / f"{name}-{width}-{scheme}.png").write_bytes(browser.picture())
    try:
        browser.wait(lambda: browser.overflow <= 0, "the layout for the width", SETTLED_SECONDS)
    except AssertionError:
        found.append(f"{width} {scheme} too wide by {browser.overflow} pixels")


def violations(browser: Chromium, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds on the page: the rules, the elements and what to do.

    The script is evaluated as by the developer tools, which the page's Content-Security-Policy allows.

    Args:
        rules: The ids of the rules, if not all.
    """
    known = browser.devtools("Runtime.evaluate", expression="typeof axe", returnByValue=True)
    if known["result"]["value"] == "undefined":  # the page has been loaded since
        browser.devtools("Runtime.evaluate", expression=_source())
    run = _RUN % json.dumps(
        {"type": "rule", "values": rules} if rules else {"type": "tag", "values": STANDARDS}
    )
    answer = browser.devtools("Runtime.evaluate", expression=run, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in answer, answer
    found: list[str] = answer["result"]["value"]
    return found


@cache
def _source() -> str:
    return (PACKAGE / "axe.min.js").read_text(encoding="utf-8")
