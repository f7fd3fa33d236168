"""The clients of `clients.toml`: what is installed, how each signs in, and what is expected of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("clients.toml")
DRIVERS = Path(__file__).with_name("drivers")

CHECKS = {
    "connect": "connects, and signs in if it can",
    "tools": "lists the tools",
    "echo": "calls a tool",
    "structured": "returns structured content",
    "image": "returns an image",
    "long": "waits for a call of three seconds",
    "progress": "reports progress",
    "sampling": "lets the server sample its model",
    "elicitation": "lets the server ask the user with a form",
    "elicitation by URL": "lets the server send the user to a page",
    "roots": "lists its roots",
    "completion": "completes an argument",
    "logging": "receives log messages",
    "subscribe": "is notified of changes of a subscribed resource",
    "listen": "is notified of changes by `subscriptions/listen`",
    "prompts": "gets a prompt",
    "resources": "reads a resource",
    "all pages": "lists every page of the resources",
    "tasks": "follows a task",
    "step-up": "requests an additional scope when a tool requires it",
    "cancel": "a cancelled call stops at the server",
    "HTTP+SSE": "signs in at `/sse`, and calls a tool whose result contains every Unicode line separator",
    "cut": "a call survives the loss of all connections",
    "outage 0.3 s": "a call survives an outage of 0.3 s",
    "outage 1.5 s": "a call survives an outage of 1.5 s",
    "outage 3 s": "a call survives an outage of 3 s",
    "outage 5 s": "a call survives an outage of 5 s",
    "kill": "a call survives the death of the process that runs it",
    "idle": "works again after an outage longer than the idle time of the session",
}
"""What drivers check, in the order of the table."""

BASE = ("tools", "echo", "structured", "image", "long")
"""The checks that the table calls "base" when all of them pass."""


@dataclass(frozen=True)
class Mode:
    """One way in which a client is run, such as one protocol revision.

    Args:
        name: What its driver is called with.
        passes: Checks that are expected to pass.
        fails: Checks that are expected to fail, each with the reason.
        environment: Environment variables of the server that it needs to be run against.
    """

    name: str
    passes: tuple[str, ...]
    fails: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Client:
    """One client.

    Args:
        name: What it is called on the command line and in the results.
        title: What the table calls it.
        kind: What it is installed with.
        install: The packages with their versions; the first is the client itself.
        driver: The script of `drivers/` that plays its user; empty if it is not run.
        sign_in: "oauth" where the client signs in by itself, "bearer" where it is given a token.
        modes: The ways in which it is run.
        script: The installation script of an npm package that does not work without; no other is run.
        configured: How people configure it, in Markdown. `URL` stands for the endpoint.
        know: What people should know, in Markdown.
        not_run: Why it is not run here.
        seconds: The longest that one mode may take.
    """

    name: str
    title: str
    kind: Literal["python", "node"]
    install: tuple[str, ...]
    driver: str
    sign_in: Literal["oauth", "bearer"]
    modes: tuple[Mode, ...]
    script: str = ""
    configured: str = ""
    know: str = ""
    not_run: str = ""
    seconds: float = 300.0

    @property
    def version(self) -> str:
        """The version of the client itself."""
        return self.install[0].rpartition("=" if self.kind == "python" else "@")[2]


def load(path: Path = FILE) -> list[Client]:
    """The clients, in the order of the file.

    Raises:
        ValueError: A check or a driver that does not exist is named.
    """
    return [_client(name, entry) for name, entry in tomllib.loads(path.read_text()).items()]


def _client(name: str, entry: dict[str, Any]) -> Client:
    modes = tuple(
        Mode(
            mode,
            tuple(expected.get("passes", ())),
            dict(expected.get("fails", {})),
            dict(expected.get("environment", {})),
        )
        for mode, expected in entry.pop("modes", {}).items()
    )
    for mode in modes:
        if unknown := {*mode.passes, *mode.fails} - set(CHECKS):
            raise ValueError(f"{name}: no such check: {', '.join(sorted(unknown))}")
    made = Client(
        name=name,
        modes=modes,
        install=tuple(entry.pop("install")),
        driver=entry.pop("driver", ""),
        **entry,
    )
    if made.driver and not (DRIVERS / made.driver).is_file():
        raise ValueError(f"{name}: no such driver: {made.driver}")
    if bool(made.driver) == bool(made.not_run):
        raise ValueError(f"{name}: needs either a driver or the reason why it is not run")
    return made
