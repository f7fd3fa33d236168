"""Where the checkers are installed: each Python package in its own virtual environment.

They must not share the project's packages, as some need another version of the SDK.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.node import npm

FOLDER = Path(__file__).resolve().parent / ".environments"
"""Kept between runs; `--clean` removes it."""

NPM = Path(__file__).resolve().parent / "node_modules"
INSTALL_SECONDS = 300


def python_script(requirement: str, script: str) -> Path:
    """The path of a script of a PyPI package, which is installed if it is not there yet.

    Args:
        requirement: The package at its pinned version, such as `mcp-conform==0.1.0`.
        script: The name of its console script.

    Raises:
        subprocess.CalledProcessError: It could not be installed.
    """
    environment = FOLDER / requirement.replace("==", "-")
    path = environment / "bin" / script
    if not path.exists():
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", environment], check=True, timeout=INSTALL_SECONDS
        )
        subprocess.run(
            [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", requirement],
            check=True,
            timeout=INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    return path


def npm_packages() -> Path:
    """The folder of the npm packages, which are installed if they are not there yet.

    Raises:
        subprocess.CalledProcessError: They could not be installed.
    """
    if not (NPM / ".package-lock.json").exists():
        options = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run(
            [npm(), "install", *options],
            cwd=NPM.parent,
            check=True,
            timeout=INSTALL_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    return NPM
