"""docs/machine-room.md: every event is listed, and the page that shows them knows each."""

from __future__ import annotations

import ast

from tests.docs.markdown import DOCS, code, rows

ROOT = DOCS.parent
SCRIPTS = ROOT / "everything_site/workbench/static/workbench"
LISTED = [kind for row in rows("machine-room.md", "Event", "When") for kind in code(row["Event"])]


def _noted() -> set[str]:
    """The kinds of events that the engine notes, by `Activity.note` or a method `_note` around it."""
    return {
        constant.value
        for path in ROOT.glob("mcp_app/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"note", "_note"}
        and node.args
        for constant in _values(node.args[0])
        if isinstance(constant.value, str)
    }


def _values(argument: ast.expr) -> list[ast.Constant]:
    """What an argument may be: a constant, or either of two."""
    branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
    return [branch for branch in branches if isinstance(branch, ast.Constant)]


def test_every_event_is_documented_and_no_other() -> None:
    assert sorted(LISTED) == sorted(_noted())


def test_the_page_knows_every_event() -> None:
    scripts = "".join(path.read_text() for path in SCRIPTS.glob("room/*.js"))
    assert [kind for kind in LISTED if f'"{kind}"' not in scripts] == []
