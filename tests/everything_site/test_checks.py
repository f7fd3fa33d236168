"""System checks of the machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from everything_site.checks import check_temporary_folder


def ids() -> list[str | None]:
    return [message.id for message in check_temporary_folder(None)]


def test_a_temporary_folder_that_can_be_written_is_fine() -> None:
    assert ids() == []


def test_a_temporary_folder_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert ids() == ["everything_site.E001"]


def test_that_there_is_no_temporary_folder_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def gettempdir() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", gettempdir)
    assert ids() == ["everything_site.E001"]
    (message,) = check_temporary_folder(None)
    assert "TMPDIR" in (message.hint or "")


def test_a_temporary_folder_that_is_full_or_closed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert ids() == ["everything_site.E001"]
