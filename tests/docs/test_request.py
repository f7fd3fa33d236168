"""docs/request.md: the files on the way of a request exist, each once, with the code named there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, code, rows

ROOT = DOCS.parent
STEPS = rows("request.md", "File", "Code", "What happens")
FILES = [code(row["File"])[0] for row in STEPS]
PATH = re.compile(r"(?!/)[\w./-]+(?:\.(?:py|js|md|toml|html)|/)")
APPS = ("mcp_app", "oauth_app", "fakeupstream", "everything_site", "tests")


def _path(named: str) -> Path:
    return next(path for path in (ROOT / "mcp_app" / named, ROOT / named) if path.is_file())


def _defined(path: Path) -> set[str]:
    """The top-level names of a module, and the members of its classes as `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.ClassDef(name=name, body=body):
                members = {
                    each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                }
                found |= {name, *(f"{name}.{member}" for member in members)}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
            case ast.ImportFrom(names=names):
                found |= {alias.name for alias in names}
    return found


def test_each_file_that_a_request_meets_is_named_once() -> None:
    assert len(FILES) > 30
    assert sorted(set(FILES)) == sorted(FILES)


@pytest.mark.parametrize("step", STEPS, ids=FILES)
def test_everything_named_in_a_file_exists_there(step: dict[str, str]) -> None:
    named = code(step["Code"])
    assert named
    assert set(named) <= _defined(_path(code(step["File"])[0]))


def test_every_method_that_is_named_exists() -> None:
    defined = {name for path in ROOT.glob("mcp_app/**/*.py") for name in _defined(path)}
    classes = {name for name in defined if name[:1].isupper() and "." not in name}
    named = set(re.findall(r"`([A-Z]\w+\.\w+)`", (DOCS / "request.md").read_text()))
    assert len(named) > 20
    assert {name for name in named if name.split(".")[0] in classes} <= defined
    assert {name.split(".")[0] for name in named} <= classes


def test_every_file_and_folder_that_is_named_exists() -> None:
    folders = [ROOT / "mcp_app", ROOT, DOCS]
    names = {path.name for app in APPS for path in (ROOT / app).rglob("*.*")}
    missing = []
    for line in (DOCS / "request.md").read_text().splitlines():
        named = [name for name in code(line) if PATH.fullmatch(name)]
        here = [*folders, *(folder / name for name in named for folder in folders if name.endswith("/"))]
        for name in named:
            is_somewhere = "/" not in name and name in names  # such as `keys.py` of several packages
            if not is_somewhere and not any((folder / name).exists() for folder in here):
                missing.append(name)
    assert missing == []


def test_the_tests_named_as_reminders_exist() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in [path.name, *re.findall(r"def (test_\w+)", path.read_text())]
    }
    reminders = {
        name for row in rows("request.md", "What", "Where") for name in code(row["What fails if you forget"])
    }
    assert {name for name in reminders if name.startswith("test_")} <= tests
    assert reminders - tests <= {"lint-imports"}
