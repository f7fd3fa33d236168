"""The program `everything-server`, before it does anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from everything_site.console.main import main
from tests.support.processes import ROOT


def test_it_is_this_site_also_where_another_project_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr(sys, "argv", ["everything-server", "--version"])
    main()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "everything_site.settings"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["doctor", "--help"]])
def test_a_reader_who_has_seen_enough_is_no_error(words: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        outcome = subprocess.run(
            [sys.executable, "-c", "from everything_site.console.main import main; main()", *words],
            env={"PATH": os.environ["PATH"], "STATE_DIR": str(tmp_path / "state")},
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (outcome.returncode, outcome.stderr) == (1, "")
