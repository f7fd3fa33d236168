"""axe-core, the accessibility checker, run in a page of Chromium."""

from __future__ import annotations

import json
from functools import cache

from tests.support import node
from tests.support.chromium import Chromium

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

_RUN = """
axe.run(document, {runOnly: %s}).then((results) => results.violations.map(({id, nodes}) => {
  const places = nodes.map(({target}) => target.join(" ")).join(", ");
  return `${id}: ${places}: ${nodes[0].failureSummary}`;
}))
"""


def missing() -> str | None:
    """Why axe-core cannot be used; None if it can."""
    wanted = json.loads((node.FOLDER / "package.json").read_text())["devDependencies"]["axe-core"]
    manifest = PACKAGE / "package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != wanted:
        return f"axe-core {wanted} is not installed: {node.HOW}"
    return None


def violations(browser: Chromium, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds on the page: the rules, the elements and what to do.

    The script is evaluated as by the developer tools, which the page's Content-Security-Policy allows.

    Args:
        rules: The ids of the rules, if not all.
    """
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
