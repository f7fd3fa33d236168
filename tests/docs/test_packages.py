"""The requirements name every imported package and allow no version with a known vulnerability."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.docs.markdown import DOCS

ROOT = DOCS.parent
SERVER_PARTS = ("everything_site", "fakeupstream", "mcp_app", "oauth_app")
DEVELOPMENT_PARTS = ("tests", "docs")
ELSEWHERE = ("tests/bench", "tests/clients/drivers", "tests/field/.environments")
"""What runs in environments of its own, with packages that are no requirement here."""
FIXED_IN = {"django": "5.2.19", "daphne": "4.2.3"}
"""The first versions without the holes that were known when this was written."""


SERVER = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"


def requirements(*files: str) -> dict[str, Requirement]:
    """The requirements of some files, or of all."""
    text = "\n".join((ROOT / file).read_text() for file in files or (SERVER, DEVELOPMENT))
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {_canonical(requirement.name): requirement for requirement in found}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(parts: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The top-level packages that are imported, without the standard library and the project's own."""
    for part in parts:
        for path in (ROOT / part).rglob("*.py"):
            if "node_modules" in path.parts or any(path.is_relative_to(ROOT / other) for other in ELSEWHERE):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names:
                    is_own = any(
                        (folder / name).exists()
                        for folder in (ROOT, path.parent)
                        for name in (top, f"{top}.py")
                    )
                    if not is_own:
                        yield top, path


@pytest.mark.parametrize(
    ("parts", "files"), [(SERVER_PARTS, [SERVER]), (DEVELOPMENT_PARTS, [SERVER, DEVELOPMENT])]
)
def test_every_package_that_is_imported_is_named(parts: tuple[str, ...], files: list[str]) -> None:
    named = set(requirements(*files))
    providers = packages_distributions()
    missing = {
        f"{path.relative_to(ROOT)} imports {top}"
        for top, path in imported(parts)
        if not named & {_canonical(name) for name in providers.get(top, [])}
    }
    assert not missing


@pytest.mark.parametrize("name", FIXED_IN)
def test_no_version_with_a_known_vulnerability_is_allowed(name: str) -> None:
    assert Version(FIXED_IN[name]) in requirements()[name].specifier
    release = Version(FIXED_IN[name]).release
    before = ".".join(map(str, (*release[:-1], release[-1] - 1)))
    assert Version(before) not in requirements()[name].specifier


def test_the_sdk_is_pinned_to_a_minor_release() -> None:
    admitted = requirements()["mcp"].specifier
    assert Version("2.3.1") in admitted
    assert Version("2.4.0") not in admitted


@pytest.mark.parametrize("name", sorted(requirements()))
def test_the_installed_versions_are_allowed(name: str) -> None:
    requirement = requirements()[name]
    if requirement.marker is None or requirement.marker.evaluate():
        assert Version(version(name)) in requirement.specifier
