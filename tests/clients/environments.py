"""One environment for each client: a virtual environment, or a folder of npm packages."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.clients.catalogue import Client
from tests.support import node

INSTALL_SECONDS = 900.0
_MARKER = "installed.json"
_PROGRAMS = "programs.py"


class InstallError(Exception):
    """The packages of a client could not be installed; its message is the last line the installer printed."""


def default_cache() -> Path:
    """The folder that keeps the environments between runs: `$XDG_CACHE_HOME/everything-server/clients`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "everything-server" / "clients"


def prepare(client: Client, cache: Path, seconds: float = INSTALL_SECONDS) -> Path:
    """The client's environment, which is installed first unless it is there with the same pins.

    Args:
        client: The client.
        cache: The folder of all environments.
        seconds: The longest that the installation may take.

    Raises:
        InstallError: A package cannot be installed, or not in time.
    """
    folder = cache / client.name
    marker = folder / _MARKER
    wanted = {"install": [*client.install, *filter(None, [client.script])], "python": sys.version.split()[0]}
    if marker.exists() and json.loads(marker.read_text()) == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in _commands(client, folder):
        _run(command, folder, seconds)
    marker.write_text(json.dumps(wanted))
    return folder


def interpreter(client: Client, environment: Path) -> str:
    """What runs the client's driver: the Python of its environment, Node.js, or this Python for programs."""
    if client.driver.endswith(".mjs"):
        executable = node.node()
        if executable is None:
            raise InstallError(node.missing())
        return str(executable)
    if client.driver == _PROGRAMS:
        return sys.executable
    return str(environment / "venv" / "bin" / "python")


def _commands(client: Client, folder: Path) -> list[list[str]]:
    if client.kind == "python":
        venv = folder / "venv"
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        return [[sys.executable, "-m", "venv", str(venv)], [*pip, "--no-compile", *client.install]]
    if shutil.which("npm") is None:
        raise InstallError("npm is needed")
    (folder / "package.json").write_text('{"private": true}')
    npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    commands = [[*npm, "--ignore-scripts", *client.install]]
    return [*commands, ["node", client.script]] if client.script else commands


def _run(command: list[str], folder: Path, seconds: float) -> None:
    """Run an installer in a process group of its own, so that its helpers end with it."""
    with (folder / "install.log").open("ab+") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise InstallError(f"not installed within {seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise InstallError(said[-1] if said else f"status {status}")
