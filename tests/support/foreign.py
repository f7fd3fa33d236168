"""Projects of other people: made by `startproject`, with the wheel in a virtual environment of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import DOCS, blocks, commands
from tests.support.processes import free_port, wait_until_ready

EXAMPLES = DOCS / "examples"
_FILE = re.compile(r"# (?P<path>[\w/]+\.py)(?:, (?P<where>.+))?\n")


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Environment:
        """An empty one, without pip."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
        return cls(folder)

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / "bin" / name)

    def install(self, *requirements: str) -> None:
        """Install packages, as their own pip would do."""
        pip = [sys.executable, "-m", "pip", "--python", self.program("python"), "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *requirements], check=True, timeout=600)


def environment(folder: Path, page: str, *others: str) -> Environment:
    """An empty virtual environment, in which the commands of a page have built and installed the wheel.

    Args:
        folder: Where it is made.
        page: The page in docs/ whose `pip` commands are followed.
        others: Further requirements.
    """
    made = Environment.create(folder / "venv")
    build, install = (command for command in commands(page) if command.startswith("pip "))
    words = [word.replace("dist", str(folder / "dist")) for word in build.split()[1:]]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], cwd=DOCS.parent, check=True, timeout=300)
    [wheel] = [word.strip("'") for word in install.split()[2:]]
    made.install(str(folder / "dist" / Path(wheel).name), *others)
    return made


@dataclass
class Project:
    """A project called `mysite`.

    Attributes:
        environment: The environment that it runs in.
        folder: The folder with its manage.py.
        replaced: What its files have in place of something of the page, such as its address.
    """

    environment: Environment
    folder: Path
    replaced: Mapping[str, str]

    @classmethod
    def start(cls, environment: Environment, folder: Path, replaced: Mapping[str, str]) -> Project:
        """A new project, as `django-admin startproject mysite` makes it."""
        folder.mkdir(exist_ok=True)
        made = cls(environment, folder, replaced)
        made.run("-m", "django", "startproject", "mysite", ".")
        return made

    def copy_app(self, name: str) -> None:
        """Add an app of docs/examples, with its migrations made, to the project and its settings."""
        shutil.copytree(EXAMPLES / name, self.folder / name)
        self.append("mysite/settings.py", f'INSTALLED_APPS += ["{name}"]')

    def append(self, path: str, text: str) -> None:
        """Write at the end of a file, which may be new."""
        (self.folder / path).parent.mkdir(exist_ok=True)
        with open(self.folder / path, "a") as file:
            file.write(f"\n{text}\n")

    def follow(self, page: str, where: str = "at the end") -> None:
        """Write the Python blocks of a page that are whole files, or for this place, into their files."""
        for block in blocks(page, "python"):
            match = _FILE.match(block)
            if match and match["where"] in (None, where):
                text = block
                for old, new in self.replaced.items():
                    text = text.replace(old, new)
                self.append(match["path"], text)

    def manage(self, *arguments: str, **variables: str) -> str:
        """Run a command of manage.py, with further environment variables, and return what it printed.

        Raises:
            subprocess.CalledProcessError: It failed; `output` has all that it printed.
        """
        return self.run("manage.py", *arguments, **variables)

    def run(self, *words: str, **variables: str) -> str:
        """The same, with any arguments of Python."""
        done = subprocess.run(
            [self.environment.program("python"), *words],
            cwd=self.folder,
            env=self._variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    @property
    def _variables(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("HOME", "LANG") if key in os.environ}
        return {
            **kept,
            "PATH": f"{self.environment.program('')}:{os.environ['PATH']}",
            "PYTHONWARNINGS": "default",
        }

    @contextlib.contextmanager
    def running(self, *words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program of the environment until the end of the context."""
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [self.environment.program(words[0]), *words[1:]],
                cwd=self.folder,
                env=self._variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    @contextlib.contextmanager
    def served(self, *words: str) -> Iterator[int]:
        """Serve it by a command with `PORT` in it; yields the port when it is ready."""
        port = free_port()
        log = self.folder.parent / f"server-{port}.log"
        command = [word.replace("PORT", str(port)) for word in words]
        with self.running(*command, log=log) as process:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield port
