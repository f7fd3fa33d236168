"""`python manage.py runserver`: everything a stranger needs, in one command."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from daphne.management.commands.runserver import Command as DaphneRunserver
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from everything_site import env, valkey

ADMIN = "admin"
_PARENT_CHECK_SECONDS = 1.0
_STOP_SECONDS = 10
WITH_PARENT = "EVERYTHING_ENDS_WITH_PARENT"


class Command(DaphneRunserver):
    help = (
        "Serve the whole project for development: starts an embedded Valkey unless REDIS_URL is set, applies "
        "migrations, makes a first admin account, and starts anew when the code changes."
    )
    default_port = str(settings.PORT)
    port_variable = "PORT"
    has_auth_server = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(use_static_handler=False)  # WhiteNoise serves them, as in production
        if self.has_auth_server:
            parser.add_argument(
                "--with-auth-server",
                action="store_true",
                help="With AUTH_MODE=separate: start `runauthserver` as well, and end it with this command.",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("with_auth_server") and (fault := env.auth_server_fault(settings.ENV)):
            raise CommandError(fault)
        if _is_restarted() or os.environ.get(WITH_PARENT):
            _end_with_parent()
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        """What Django calls when it knows the address: here, and in each process that the reloader starts."""
        if _is_restarted():
            super().run(**options)
            return
        self._refuse_taken(int(self.port), self.port_variable)
        with_auth_server = options.get("with_auth_server")
        if with_auth_server:
            self._refuse_taken(settings.AUTH_SERVER_PORT, "AUTH_SERVER_PORT")
        try:
            with ExitStack() as stack:
                if valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR):
                    stack.enter_context(valkey.running(settings.REDIS_URL))
                if with_auth_server:
                    call_command("migrate", interactive=False, verbosity=0)  # once, before both start
                    stack.enter_context(_auth_server(reload=options["use_reloader"]))
                super().run(**options)
        except RuntimeError as error:
            raise CommandError(str(error)) from error

    def _refuse_taken(self, port: int, variable: str) -> None:
        """Refuse a port that cannot be had before anything is started; Daphne would go on without it."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            socket.create_server((self.addr, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(f"Port {port} is in use: set {variable}.") from None
            raise CommandError(f"Port {port} cannot be had: {error.strerror}.") from None

    def inner_run(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        self.prepare()
        # In separate mode only the authorization server has an admin.
        has_admin = not (settings.IS_SEPARATE and self.has_auth_server)
        self._say_what_to_open(_first_admin_password() if has_admin else None)
        super().inner_run(*args, **options)

    def prepare(self) -> None:
        """What else must be there before the server starts."""

    def places(self, password: str | None) -> list[tuple[str, str]]:
        """What to open, with a label each."""
        base = settings.BASE_URI
        inspector = "npx @modelcontextprotocol/inspector --transport http --server-url"
        admin = ("Admin", f"{base}/admin/   ({self.credentials(password)})")
        start = "" if env.auth_server_fault(settings.ENV) else ", started by runauthserver"
        authorization = ("Authorization", f"{settings.AUTH_SERVER_URL}/   (another server{start})")
        return [
            ("MCP endpoint", f"{base}/mcp"),
            ("Landing page", f"{base}/"),
            authorization if settings.IS_SEPARATE else admin,
            ("MCP Inspector", f"{inspector} {base}/mcp"),
        ]

    def credentials(self, password: str | None) -> str:
        return f"user {ADMIN}, password {password}" if password else "sign in as before"

    def _say_what_to_open(self, password: str | None) -> None:
        self.stdout.write("\n")
        for label, text in self.places(password):
            self.stdout.write(f"  {label:<15}{self.style.SUCCESS(text)}\n")
        if password:
            self.stdout.write(
                "  This password is shown once; `manage.py changepassword admin` sets another.\n"
            )
        self.stdout.write("\n")
        self.stdout.flush()  # in a pipe it would be lost with this process


def _is_restarted() -> bool:
    """Whether this process is one of those that the reloader starts, one after the other."""
    return os.environ.get(DJANGO_AUTORELOAD_ENV) == "true"


@contextmanager
def _auth_server(*, reload: bool) -> Iterator[None]:
    """Keep `runauthserver` running in a process of its own while the context is open."""
    command = [sys.executable, sys.argv[0], "runauthserver", *([] if reload else ["--noreload"])]
    process = subprocess.Popen(command, env={**os.environ, WITH_PARENT: "1"})  # noqa: S603 - this very program
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _first_admin_password() -> str | None:
    """Make the first administrator; its password, or None when there is an administrator already."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, password=password)
    return password


def _end_with_parent() -> None:
    """End this process when the one that started it has gone, even by SIGKILL."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(_PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
