"""docs/configuration.md: every variable, setting and check is there, with the default that the code has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mcp_app.conf
import oauth_app.conf
from tests.docs.markdown import DOCS, code, rows

ROOT = DOCS.parent
SETTINGS = [*mcp_app.conf.Conf.declared(), *oauth_app.conf.Conf.declared()]
ENV = ROOT / "everything_site/env.py"
ENV_FILES = ROOT / "everything_site/variables.py"

VARIABLES = {code(row["Variable"])[0]: row["Default"] for row in rows("configuration.md", "Variable")}
SETTINGS_DOCUMENTED = {code(row["Setting"])[0]: row["Default"] for row in rows("configuration.md", "Setting")}


def strings(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
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
    assert set(SETTINGS_DOCUMENTED) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("helper", ["_port", "_boolean", "_count"])
def test_the_defaults_of_variables_are_as_documented(helper: str) -> None:
    found = dict(defaults(ENV, helper))
    assert found
    for name, default in found.items():
        assert code(VARIABLES[name])[0] == str(default).lower(), name


def test_the_defaults_of_settings_are_as_documented() -> None:
    for setting in SETTINGS:
        if setting.variable == setting.name and not setting.follows:
            default = ast.literal_eval(code(SETTINGS_DOCUMENTED[setting.name])[0])
            assert default == setting.default, setting.name


def test_every_check_is_documented_and_no_other() -> None:
    ids = set()
    for path in ROOT.glob("*/checks.py"):
        ids |= {text for text in strings(path) if re.fullmatch(r"\w+\.[EW]\d{3}", text)}
    assert {code(row["Id"])[0] for row in rows("configuration.md", "Id")} == ids
