"""Node.js 22 and the npm packages of tests/conformance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "conformance"
PACKAGES = FOLDER / "node_modules"
CONFORMANCE = PACKAGES / "@modelcontextprotocol" / "conformance"
INSPECTOR = PACKAGES / "@modelcontextprotocol" / "inspector"
MINIMUM = (22, 19)
HOW = "run python -m tests.conformance --install"
INSTALL_SECONDS = 300


def node() -> Path | None:
    """A Node.js that is new enough: the one among the packages, or the machine's."""
    found = sorted(PACKAGES.glob("node*/bin/node"))
    if installed := shutil.which("node"):
        found.append(Path(installed))
    return next((path for path in found if _version(path) >= MINIMUM), None)


def missing() -> str | None:
    """Why Node.js and its packages cannot be used; None if they can."""
    if node() is None:
        return f"there is no Node.js {MINIMUM[0]}.{MINIMUM[1]} or newer: {HOW}"
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        manifest = PACKAGES / name / "package.json"
        if not manifest.exists() or json.loads(manifest.read_text())["version"] != version:
            return f"{name} {version} is not installed: {HOW}"
    return None


def npm() -> str:
    """The npm of this machine.

    Raises:
        SystemExit: There is none; the message says what is needed.
    """
    if (found := shutil.which("npm")) is None:
        raise SystemExit("npm is needed: install Node.js, which brings it, from https://nodejs.org.")
    return found


def install() -> None:
    """Install the packages, without their scripts: none is needed."""
    subprocess.run(
        [
            npm(),
            "install",
            "--no-package-lock",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ],
        cwd=FOLDER,
        check=True,
        timeout=INSTALL_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    if (reason := missing()) is not None:
        raise RuntimeError(reason)


def command(script: Path, *arguments: str) -> list[str]:
    """The command line that runs a script of a package."""
    executable = node()
    assert executable is not None, missing()
    return [str(executable), str(script), *arguments]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return {**kept, "NO_COLOR": "1", **more}


@cache
def _version(executable: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return (0,)
    return tuple(int(part) for part in answer.stdout.strip().removeprefix("v").split(".")[:2])
