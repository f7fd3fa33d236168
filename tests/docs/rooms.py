"""The rooms of the engine, the folders and top modules of `mcp_app`, and how many lines each has.

python -m tests.docs.rooms
"""

from __future__ import annotations

from tests.docs.markdown import DOCS

ENGINE = DOCS.parent / "mcp_app"

_OF_DJANGO = {"__init__.py", "migrations"}
"""What Django or Python wants in an app and nobody looks for."""


def rooms() -> dict[str, list[int]]:
    """The lines of each module of a room, by the room: `calls/`, `runtime.py`."""
    found: dict[str, list[int]] = {}
    for path in sorted(ENGINE.rglob("*.py")):
        first, *rest = path.relative_to(ENGINE).parts
        if first not in _OF_DJANGO:
            lines = len(path.read_text().splitlines())
            found.setdefault(f"{first}/" if rest else first, []).append(lines)
    return found


if __name__ == "__main__":
    for room, modules in rooms().items():
        print(f"{room:<20}{sum(modules):>6} lines{len(modules):>4} modules{max(modules):>5} in the longest")
