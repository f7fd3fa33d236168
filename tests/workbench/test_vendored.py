"""What is vendored is what npm has, byte by byte."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

import everything_site

STATIC = Path(everything_site.__file__).parent / "workbench" / "static" / "workbench"
FOLDER = STATIC / "vendor" / "json-schema"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())


def digest(content: bytes, algorithm: str) -> str:
    """As npm and browsers write it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_the_validator_is_the_recorded_release_unchanged() -> None:
    found = {path.name: digest(path.read_bytes(), "sha256") for path in sorted(FOLDER.glob("*.js"))}
    assert found == MANIFEST["files"]


def test_its_licence_comes_with_it() -> None:
    assert "Jeremy Danyow" in (FOLDER / "LICENSE").read_text()
    assert MANIFEST["license"] == "MIT"


@pytest.mark.installs
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_the_recorded_release_is_that_of_npm(tmp_path: Path) -> None:
    release = f"{MANIFEST['package']}@{MANIFEST['version']}"
    pack = ["npm", "pack", "--silent", release]
    name = subprocess.run(pack, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=100).stdout
    archive = (tmp_path / name.strip()).read_bytes()
    assert digest(archive, "sha512") == MANIFEST["integrity"]
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for file, expected in MANIFEST["files"].items():
            member = files.extractfile(MANIFEST["from"] + file)
            assert member is not None
            assert digest(member.read(), "sha256") == expected
