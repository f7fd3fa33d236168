"""The requirements name every imported package and allow no version with a known vulnerability.

Those of the wheel are in pyproject.toml, those of a checkout in requirements.txt.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
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
PYTEST_PLUGIN = "mcp_app/testing/fixtures.py imports pytest"
"""Only pytest loads it."""
NARROWER = {"django": "the site stays with the long-term support release"}
"""What the site restricts further than the package, and why."""


def requirements(*files: str) -> dict[str, Requirement]:
    """The requirements of some files, or of all."""
    text = "\n".join((ROOT / file).read_text() for file in files or (SERVER, DEVELOPMENT))
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {_canonical(requirement.name): requirement for requirement in found}


def of_the_package() -> dict[str, Requirement]:
    """What an installation of the wheel requires, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {_canonical(requirement.name): requirement for requirement in map(Requirement, lines)}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(parts: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The top-level packages that are imported, without the standard library and the project's own."""
    for part in parts:
        for path in (ROOT / part).rglob("*.py"):
            if "node_modules" in path.parts or any(path.is_relative_to(ROOT / other) for other in ELSEWHERE):
                continue
            for top in _imports(path) - sys.stdlib_module_names:
                is_own = any(
                    (folder / name).exists()
                    for folder in (ROOT, DOCS / "examples", path.parent)
                    for name in (top, f"{top}.py")
                )
                if not is_own:
                    yield top, path


_WITH_STATEMENTS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement that have statements. Expressions, which are most of a module, have none."""


@cache
def _imports(path: Path) -> frozenset[str]:
    """The top-level packages that a module imports."""
    names: set[str] = set()
    left: list[ast.AST] = [ast.parse(path.read_text())]
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
        for field in _WITH_STATEMENTS:
            inner = getattr(node, field, ())
            left += inner if isinstance(inner, list) else ()
    return frozenset(name.partition(".")[0] for name in names)


def missing(parts: Iterable[str], named: Iterable[str]) -> set[str]:
    """What is imported, but not required."""
    providers = packages_distributions()
    return {
        f"{path.relative_to(ROOT)} imports {top}"
        for top, path in imported(parts)
        if not set(named) & {_canonical(name) for name in providers.get(top, [])}
    }


@pytest.mark.parametrize(
    ("parts", "files"), [(SERVER_PARTS, [SERVER]), (DEVELOPMENT_PARTS, [SERVER, DEVELOPMENT])]
)
def test_every_package_that_is_imported_is_named(parts: tuple[str, ...], files: list[str]) -> None:
    assert missing(parts, requirements(*files)) <= {PYTEST_PLUGIN}


@pytest.mark.parametrize("name", sorted(of_the_package()))
def test_the_site_runs_on_versions_that_the_package_allows(name: str) -> None:
    ours, theirs = requirements(SERVER)[name], of_the_package()[name]
    assert (ours.extras, str(ours.marker)) == (theirs.extras, str(theirs.marker))
    if name in NARROWER:
        assert ours.specifier != theirs.specifier
        assert Version(version(name)) in theirs.specifier
    else:
        assert ours.specifier == theirs.specifier


def test_every_extra_that_a_page_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md")]
    named = {
        name
        for page in pages
        for pair in re.findall(r"\bextra\s+`(\w+)`|\.whl\[(\w+)\]", page.read_text())
        for name in pair
        if name
    }
    assert named == extras.keys()


def test_the_wheel_requires_what_the_server_does() -> None:
    assert of_the_package().keys() == requirements(SERVER).keys()


@pytest.mark.parametrize("name", FIXED_IN)
@pytest.mark.parametrize("read", [requirements, of_the_package])
def test_no_version_with_a_known_vulnerability_is_allowed(
    name: str, read: Callable[[], dict[str, Requirement]]
) -> None:
    allowed = read()[name].specifier
    assert Version(FIXED_IN[name]) in allowed
    release = Version(FIXED_IN[name]).release
    before = ".".join(map(str, (*release[:-1], release[-1] - 1)))
    assert Version(before) not in allowed


def test_the_sdk_is_pinned_to_a_minor_release() -> None:
    admitted = requirements()["mcp"].specifier
    assert Version("2.3.1") in admitted
    assert Version("2.4.0") not in admitted


@pytest.mark.parametrize("name", sorted(requirements()))
def test_the_installed_versions_are_allowed(name: str) -> None:
    requirement = requirements()[name]
    if requirement.marker is None or requirement.marker.evaluate():
        assert Version(version(name)) in requirement.specifier
