"""`python manage.py runserver`: everything a stranger needs, in one command."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from contextlib import nullcontext
from typing import Any

from daphne.management.commands.runserver import Command as DaphneRunserver
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from everything_site import valkey

ADMIN = "admin"
_PARENT_CHECK_SECONDS = 1.0


class Command(DaphneRunserver):
    help = (
        "Serve the whole project for development: starts an embedded Valkey unless REDIS_URL is set, applies "
        "migrations, makes a first admin account, and starts anew when the code changes."
    )
    default_port = str(settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get(DJANGO_AUTORELOAD_ENV) == "true":
            _end_with_parent()
            super().handle(*args, **options)
            return
        embedded = valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR)
        try:
            with valkey.running(settings.REDIS_URL) if embedded else nullcontext():
                super().handle(*args, **options)
        except RuntimeError as error:
            raise CommandError(str(error)) from error

    def inner_run(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        self._say_what_to_open(_first_admin_password())
        super().inner_run(*args, **options)

    def _say_what_to_open(self, password: str | None) -> None:
        base = settings.BASE_URI
        credentials = f"user {ADMIN}, password {password}" if password else "sign in as before"
        inspector = "npx @modelcontextprotocol/inspector"
        lines = [
            ("MCP endpoint", f"{base}/mcp"),
            ("Landing page", f"{base}/"),
            ("Admin", f"{base}/admin/   ({credentials})"),
            ("MCP Inspector", f"{inspector}   (transport Streamable HTTP, URL {base}/mcp)"),
        ]
        self.stdout.write("\n")
        for label, text in lines:
            self.stdout.write(f"  {label:<15}{self.style.SUCCESS(text)}\n")
        if password:
            self.stdout.write(
                "  This password is shown once; `manage.py changepassword admin` sets another.\n"
            )
        self.stdout.write("\n")


def _first_admin_password() -> str | None:
    """Make the first administrator; its password, or None when there is an administrator already."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, password=password)
    return password


def _end_with_parent() -> None:
    """End this process when the one that reloads it has gone, even by SIGKILL."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(_PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
