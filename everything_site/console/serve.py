"""What `everything-server run` adds to `runserver`: tokens, a line for machines, an end with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management import CommandError

from everything_site import exit_codes
from everything_site.console.options import Options
from everything_site.management.commands.runserver import ADMIN
from everything_site.management.commands.runserver import Command as Runserver
from fakeupstream import provider
from fakeupstream.forms import WhoForm
from oauth_app.issuing import issue_access_token

_STOP_SECONDS = 20
"""How long an orderly shutdown may take after the end of the standard input."""


class Command(Runserver):
    """`runserver` for `everything-server run`.

    Args:
        options: What was asked for.
    """

    def __init__(self, options: Options) -> None:
        super().__init__(stdout=sys.stderr if options.json else None)
        self._options = options
        self._tokens: dict[str, str] = {}

    @property
    def port_remedy(self) -> str:
        return "choose another one with --port"

    def handle(self, *args: Any, **options: Any) -> None:
        if self._options.exit_on_eof:
            threading.Thread(target=_end_with_input, name="input watch", daemon=True).start()
        super().handle(*args, **options)

    def prepare(self) -> None:
        for name in self._options.token:
            form = WhoForm({"name": name})
            if not form.is_valid():
                reason = " ".join(map(str, form.errors["name"]))
                raise CommandError(f"--token {name!r}: {reason}", returncode=exit_codes.USAGE)
            try:
                self._tokens[name] = issue_access_token(provider.find_or_create(form.username))
            except provider.ProtectedAccount:
                raise CommandError(
                    f"--token {name}: this name is, or looks like, that of an account with a password or "
                    "permissions. Choose another one.",
                    returncode=exit_codes.USAGE,
                ) from None

    def say_ready(self, password: str | None) -> None:
        if not self._options.json:
            super().say_ready(password)
            for name, token in self._tokens.items():
                self.stdout.write(f"  Token of {name}: {token}")
            self.stdout.flush()
            return
        line = {
            "url": settings.BASE_URI,
            "mcp": settings.MCP_RESOURCE_URL,
            "pid": os.getpid(),
            "state": str(settings.BASE_DIR),
            "tokens": self._tokens,
            "admin": {"username": ADMIN, "password": password} if password else None,
        }
        print(json.dumps(line), flush=True)  # noqa: T201 - for the program that started this


def _end_with_input() -> None:
    while sys.stdin is not None and os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
