"""requirements.lock: what production installs is what requirements.txt allows, complete, and with hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.docs.test_packages import ROOT, SERVER, requirements

PYTHONS = ("3.11.0", "3.11.9", "3.12.0", "3.13.0")
SYSTEMS = ("linux", "darwin")


def entries() -> list[tuple[Requirement, list[str]]]:
    """Each package of the lock, with its hashes."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        words, *hashes = re.split(r"\s+--hash=", line.strip())
        if words and not words.startswith("#"):
            found.append((Requirement(words), hashes))
    return found


def locked(python: str, system: str) -> dict[str, Version]:
    """The version of each package that is installed with this Python on this system."""
    environment = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": system,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found: dict[str, Version] = {}
    for requirement, _ in entries():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert canonicalize_name(requirement.name) not in found, f"{requirement.name} is there twice"
            [pin] = requirement.specifier
            assert pin.operator == "=="
            found[canonicalize_name(requirement.name)] = Version(pin.version)
    return found


def needed() -> Iterator[Requirement]:
    """What requirements.txt names, and everything that this needs in turn, where these tests run."""
    todo, seen = list(requirements(SERVER).values()), set()
    while todo:
        requirement = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        yield requirement
        for extra in ("", *requirement.extras):
            if (key := (canonicalize_name(requirement.name), extra)) in seen:
                continue
            seen.add(key)
            try:
                lines = requires(requirement.name) or []
            except PackageNotFoundError:
                continue
            for each in map(Requirement, lines):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    each.marker = None
                    todo.append(each)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_each_requirement_is_locked_to_a_version_in_its_range(python: str, system: str) -> None:
    versions = locked(python, system)
    for name, requirement in requirements(SERVER).items():
        assert versions[name] in requirement.specifier, f"{requirement}: write requirements.lock again"


def test_everything_that_the_requirements_need_is_locked() -> None:
    names = {canonicalize_name(requirement.name) for requirement, _ in entries()}
    assert {canonicalize_name(requirement.name) for requirement in needed()} - names == set()


def test_every_package_has_hashes_so_that_pip_accepts_no_other_file() -> None:
    for requirement, hashes in entries():
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)
