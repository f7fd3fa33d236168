"""Processes of other releases, next to those of this one, as in a rolling deployment."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.support.forking import ROOT

NEXT_RELEASE = "tests.chaos.next_release:application"
"""The application of a release that adds to everything in Redis; see there."""


def last_release() -> str | None:
    """The newest tag before this state of the code; None if there is none, or no history."""
    found = _git("describe", "--tags", "--abbrev=0")
    return found.stdout.decode().strip() if found.returncode == 0 else None


def export(commit: str, folder: Path) -> None:
    """Write the code of a commit to a folder.

    Raises:
        ValueError: The commit is unknown here, as in a clone without history.
    """
    archive = _git("archive", commit)
    if archive.returncode != 0:
        raise ValueError(f"{commit} cannot be exported: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=60, check=False)
