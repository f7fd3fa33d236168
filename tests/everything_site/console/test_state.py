"""Where the program keeps its state."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from everything_site.console import state


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "home/.local/state/everything-server"),
        ({"XDG_STATE_HOME": "/somewhere"}, "/somewhere/everything-server"),
        ({"XDG_STATE_HOME": "relative"}, "home/.local/state/everything-server"),
        ({"XDG_STATE_HOME": ""}, "home/.local/state/everything-server"),
        ({"STATE_DIR": "/chosen", "XDG_STATE_HOME": "/somewhere"}, "/chosen"),
    ],
)
def test_it_is_below_the_users_folder_for_state_or_where_a_variable_says(
    variables: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert state.default_folder(variables) == tmp_path / folder


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet" / "there"
    state.prepare(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    state.prepare(folder)


def test_a_folder_that_others_may_read_is_refused_and_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with pytest.raises(state.Unusable, match="chmod 700"):
        state.prepare(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(state.Unusable, match="STATE_DIR"):
        state.prepare(tmp_path / "file")


def test_an_ephemeral_folder_is_private_and_goes_with_its_context() -> None:
    with state.ephemeral() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "db.sqlite3").touch()
    assert not folder.exists()


def test_a_folder_that_takes_long_to_remove_fails_no_run_that_has_ended_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait = subprocess.Popen.wait

    def take_too_long(process: subprocess.Popen[bytes], seconds: float) -> None:
        wait(process, 30)
        raise subprocess.TimeoutExpired("cleaner", seconds)

    monkeypatch.setattr(subprocess.Popen, "wait", take_too_long)
    with state.ephemeral():
        pass
