"""The wheel, and an environment that has it and not this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.foreign import Environment
from tests.support.processes import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, timeout=120, stdout=subprocess.DEVNULL)
    [found] = folder.glob("*.whl")
    return found


def _environment(folder: Path, wheel: Path) -> Environment:
    """An environment with the wheel. Other packages are those of the tests, as installing takes minutes."""
    made = Environment.create(folder / "venv")
    made.install("--no-index", "--no-deps", str(wheel))
    [packages] = made.folder.glob("lib/python*/site-packages")
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(places))
    return made


@pytest.fixture(scope="session")
def console(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel, and with a `uvx` that runs what is installed."""
    made = _environment(tmp_path_factory.mktemp("console"), wheel)
    uvx = Path(made.program("uvx"))
    uvx.write_text('#!/bin/sh\nexec "$@"\n')
    uvx.chmod(0o755)
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel, or that of TEST_PACKAGE_PYTHON, which has it already."""
    if given := os.environ.get("TEST_PACKAGE_PYTHON"):
        return Environment(Path(given).parents[1])
    return _environment(tmp_path_factory.mktemp("installed"), wheel)
