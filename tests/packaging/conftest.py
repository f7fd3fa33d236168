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
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, timeout=120, stdout=subprocess.DEVNULL)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel, or that of TEST_PACKAGE_PYTHON, which has it already.

    Its other packages are those of the tests' own environment, as installing them takes minutes.
    """
    if given := os.environ.get("TEST_PACKAGE_PYTHON"):
        return Environment(Path(given).parents[1])
    made = Environment.create(tmp_path_factory.mktemp("installed") / "venv")
    made.install("--no-index", "--no-deps", str(wheel))
    [packages] = made.folder.glob("lib/python*/site-packages")
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(places))
    return made
