"""The table of metrics in docs/monitoring.md, generated from their declarations.

python -m tests.docs.metrics
"""

from __future__ import annotations

import re

from everything_site.metrics import SITE
from mcp_app.monitoring.catalogue import ENGINE
from mcp_app.monitoring.metrics import Metric
from tests.docs.markdown import DOCS

PAGE = DOCS / "monitoring.md"

_COMBINED = {
    "min": " Over several processes, take `min`.",
    "same": " Each process says the same: take `max`, never `sum`.",
}


def table() -> str:
    """The table, as Markdown."""
    lines = ["| Metric | In OpenTelemetry | Kind | Labels | Says |", "|---|---|---|---|---|"]
    for metric in (*ENGINE, *SITE):
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        names = f"`{metric.prometheus_name}` | `{metric.name}`"
        lines.append(f"| {names} | {metric.kind} | {labels} | {metric.help}{_combined(metric)} |")
    return "\n".join(lines)


def _combined(metric: Metric) -> str:
    return _COMBINED.get(metric.over_processes, "")


def with_table(text: str) -> str:
    """The page with its table as it should be."""
    return re.sub(
        r"(<!-- table: metrics -->\n).*?(?=\n\n)", lambda found: found[1] + table(), text, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
