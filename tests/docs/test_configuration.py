"""docs/configuration.md: every variable, setting and check is there, with the default that the code has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import DOCS, code, rows

ROOT = DOCS.parent
CONFS = [ROOT / "mcp_app/conf.py", ROOT / "oauth_app/conf.py"]
ENV = ROOT / "everything_site/env.py"
ENV_FILES = ROOT / "everything_site/variables.py"
SETTINGS = ROOT / "everything_site/settings.py"

VARIABLES = {code(row["Variable"])[0]: row["Default"] for row in rows("configuration.md", "Variable")}
SETTINGS_DOCUMENTED = {code(row["Setting"])[0]: row["Default"] for row in rows("configuration.md", "Setting")}


def strings(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def settings_read() -> set[str]:
    return {
        name for path in CONFS for name in re.findall(r"\b(?:MCP|OAUTH)_[A-Z_]*[A-Z]\b", path.read_text())
    }


def defaults(path: Path, helper: str) -> Iterator[tuple[str, Any]]:
    """(name, default) of each call `helper(…, "NAME", default)` whose default is a plain value."""
    module = ast.parse(path.read_text())
    constants = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == helper):
            continue
        match node.args:
            case [*_, ast.Constant(value=str(name)), default]:
                if isinstance(default, ast.Name):
                    default = constants.get(default.id, default)
                value = _value(default)
                if value is not None:
                    yield name, value


def _value(node: ast.expr) -> Any:
    """The value of an expression of literals and multiplications, or of what follows an `or`; else None."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return _value(node.values[-1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _value(node.left), _value(node.right)
        return None if left is None or right is None else left * right
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def test_every_environment_variable_is_documented_and_no_other() -> None:
    texts = strings(ENV) | strings(ENV_FILES)
    read = {text for text in texts if re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", text)}
    assert set(VARIABLES) == read


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(SETTINGS_DOCUMENTED) == settings_read()


@pytest.mark.parametrize("helper", ["_port", "_boolean", "_count"])
def test_the_defaults_of_variables_are_as_documented(helper: str) -> None:
    found = dict(defaults(ENV, helper))
    assert found
    for name, default in found.items():
        assert code(VARIABLES[name])[0] == str(default).lower(), name


WITH_THEIR_DEFAULTS = {"OAUTH_ACCESS_SECONDS", "OAUTH_RATE_LIMITS"}
"""Settings of the project that say what is so anyway, or that are turned off only."""


def test_the_defaults_of_settings_are_as_documented() -> None:
    set_by_the_project = set(re.findall(r"^ *(\w+)\b.* = ", SETTINGS.read_text(), re.MULTILINE))
    found = dict([*defaults(CONFS[0], "getattr"), *defaults(CONFS[1], "_setting")])
    assert len(found) > 20
    for name, default in found.items():
        if name in set_by_the_project - WITH_THEIR_DEFAULTS:
            assert code(SETTINGS_DOCUMENTED[name])[0] in {*VARIABLES, '["at+jwt"]'}, name
        else:
            assert ast.literal_eval(code(SETTINGS_DOCUMENTED[name])[0]) == default, name


def test_every_check_is_documented_and_no_other() -> None:
    ids = set()
    for path in ROOT.glob("*/checks.py"):
        ids |= {text for text in strings(path) if re.fullmatch(r"\w+\.[EW]\d{3}", text)}
    assert {code(row["Id"])[0] for row in rows("configuration.md", "Id")} == ids
