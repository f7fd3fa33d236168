"""Counts the lines of each part of the engine: the folders and top-level modules of `mcp_app`.

python -m tests.docs.parts
"""

from __future__ import annotations

from tests.docs.markdown import DOCS

ENGINE = DOCS.parent / "mcp_app"

_OF_DJANGO = {"__init__.py", "migrations"}
"""What Django or Python requires in an app."""


def parts() -> dict[str, list[int]]:
    """The line counts of the modules of each part, such as `calls/` or `runtime.py`."""
    found: dict[str, list[int]] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        first, *rest = path.relative_to(ENGINE).parts
        if first not in _OF_DJANGO:
            lines = len(path.read_text().splitlines())
            found.setdefault(f"{first}/" if rest else first, []).append(lines)
    return found


if __name__ == "__main__":
    for part, modules in parts().items():
        print(f"{part:<20}{sum(modules):>6} lines{len(modules):>4} modules{max(modules):>5} in the longest")
