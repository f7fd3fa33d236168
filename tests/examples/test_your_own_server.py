"""docs/your-own-server.md: whoever follows its steps has a working project after each."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from django.conf import settings

from tests.examples import page
from tests.support import forking

LAUNCHER = Path(__file__).with_name("launcher.py")
ELSEWHERE = ("python -m venv", "pip install")
"""Commands whose effect these tests have already; tests/packaging runs them."""


class Follower:
    """Somebody who follows the page in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "PYTHONWARNINGS": "default",
            "REDIS_URL": settings.REDIS_URL,
            "DJANGO_SUPERUSER_USERNAME": "admin",
            "DJANGO_SUPERUSER_PASSWORD": "admin",
            "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
        }

    def follow(self, block: page.Block) -> None:
        if block.language in ("python", "diff"):
            block.apply(self.folder)
        elif block.language == "console":
            for command in block.commands:
                if not command.startswith(ELSEWHERE):
                    output = self.run(command)
                    if command.endswith("manage.py test"):
                        assert f"Ran {self.tests} test" in output

    @property
    def tests(self) -> int:
        """How many tests there are so far."""
        return sum(path.read_text().count("async def test_") for path in self.folder.rglob("*.py"))

    def run(self, command: str) -> str:
        program, *words = shlex.split(command)
        assert program in ("python", "django-admin"), command
        if "createsuperuser" in words:
            words.append("--noinput")
        words = words if program == "python" else [program, *words]
        done = forking.run([str(LAUNCHER), *words], self.environment, self.folder, timeout=100)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "WARNINGS:" not in done.stdout + done.stderr, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_every_step_runs(tmp_path: Path) -> None:
    reader = Follower(tmp_path)
    for step in page.steps():
        for block in step.blocks:
            reader.follow(block)


def test_there_are_ten_steps() -> None:
    assert [step.number for step in page.steps()] == list(range(1, 11))


def test_the_example_is_the_result_of_the_page(tmp_path: Path) -> None:
    page.write(tmp_path)

    def files(folder: Path) -> dict[str, str]:
        paths = [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]
        return {str(path.relative_to(folder)): path.read_text() for path in paths}

    assert files(page.EXAMPLE) == files(tmp_path)
