"""What is in the wheel."""

from __future__ import annotations

import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.slow

PARTS = ("everything_site", "fakeupstream", "mcp_app", "oauth_app", "templates")


def test_it_has_every_file_of_the_apps_of_the_site_and_of_its_templates_and_nothing_else(wheel: Path) -> None:
    files = [path for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()]
    found = {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}
    wanted = {f"everything_site/{name}" if name.startswith("templates/") else name for name in found}
    assert {Path(name).suffix for name in wanted} >= {".py", ".html", ".css", ".typed"}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == wanted


def test_it_has_the_program(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        assert "everything-server = everything_site.console.main:main" in archive.read(entry_points).decode()


def test_it_names_its_licence_and_its_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(path))
        assert any(name.endswith("/LICENSE") for name in archive.namelist())
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra", [])) == {"postgresql"}
