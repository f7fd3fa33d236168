"""The workbench's modules that know no DOM: their own tests, run by Node."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.docs.markdown import code, rows

MODULES = Path(__file__).parents[2] / "everything_site/workbench/static/workbench"
IMPORT = re.compile(r'^import .*?"(\..+?)";$', re.MULTILINE)
JS = Path(__file__).parent / "js"
FILES = sorted(JS.glob("*.test.mjs"))
FOLDERS = [row for row in rows("workbench.md", "Folder", "What") if row["Folder"].endswith("/`")]
NODE = shutil.which("node")


@cache
def major() -> int:
    if NODE is None:
        return 0
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.lstrip("v").partition(".")[0])


@pytest.mark.node
@pytest.mark.skipif(major() < 20, reason="needs Node.js 20 or later")
@pytest.mark.parametrize("file", FILES, ids=[file.name.removesuffix(".test.mjs") for file in FILES])
def test_the_tests_of_a_module_pass_under_node(file: Path) -> None:
    assert NODE is not None
    # not by `node --test`, which is a process that starts another one for the file
    run = subprocess.run([NODE, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_module_imports_only_from_the_folders_that_the_documentation_names() -> None:
    allowed = {code(row["Folder"])[0].strip("/"): set(code(row["May import"])) for row in FOLDERS}
    assert set(allowed) == {path.name for path in MODULES.iterdir() if path.is_dir()} - {"vendor"}
    for folder, others in allowed.items():
        for module in (MODULES / folder).glob("*.js"):
            found = [(module.parent / path).resolve() for path in IMPORT.findall(module.read_text())]
            named = {path.relative_to(MODULES).parts[0] for path in found}
            assert named <= others | {folder}, module.name
