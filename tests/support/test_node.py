"""Where npm is missing, one line says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import node

ROOT = Path(__file__).resolve().parents[2]


def test_without_npm_one_line_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        node.npm()
    assert str(ended.value) == "npm is needed: install Node.js, which brings it, from https://nodejs.org."


@pytest.mark.processes
def test_the_command_that_installs_packages_says_no_more(tmp_path: Path) -> None:
    if node.missing() is None:
        pytest.skip("the packages are installed already")
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance", "--install"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "npm is needed: install Node.js, which brings it, from https://nodejs.org.\n"
