"""`python manage.py runserver`: everything you need for development, in one command."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from daphne.management.commands.runserver import Command as DaphneRunserver
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV, BaseReloader, autoreload_started

from everything_site import env, exit_codes, startup
from everything_site.relay import relay
from mcp_app import valkey
from mcp_app.hosts import is_loopback

ADMIN = "admin"
MAX_PROCESSES = 16
_PARENT_CHECK_SECONDS = 1.0
_STOP_SECONDS = 10
_PREPARE_SECONDS = 60
_LEASE_SECONDS = 3
"""The lease with several processes, so that nobody takes what happens after a kill for a hang."""
WITH_PARENT = "EVERYTHING_ENDS_WITH_PARENT"
"""The environment variable by which a process hands its id to those that are to end with it."""


class Command(DaphneRunserver):
    help = (
        "Serve the whole project for development: starts an embedded Valkey unless REDIS_URL is set, applies "
        "migrations, creates a first admin account, and reloads when the code changes."
    )
    default_port = str(settings.PORT)
    port_variable = "PORT"
    own_port = settings.PORT
    own_url = settings.BASE_URI
    url_variable = "BASE_URI"
    has_auth_server = True
    server_cls: Any = DaphneRunserver.server_cls

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(use_static_handler=False)  # WhiteNoise serves them, as in production
        if self.has_auth_server:
            parser.add_argument(
                "--with-auth-server",
                action="store_true",
                help="With AUTH_MODE=separate: also start `runauthserver`, and stop it with this command.",
            )
            parser.add_argument(
                "--processes",
                type=int,
                choices=range(1, MAX_PROCESSES + 1),
                metavar="N",
                help=f"Serve with N processes (up to {MAX_PROCESSES}) behind this address. They share all "
                "sessions, and take over calls when one is killed. Leases last three seconds, so that this "
                "happens soon, unless MCP_LEASE_SECONDS is set.",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("with_auth_server") and (fault := env.auth_server_fault(settings.ENV)):
            raise CommandError(fault)
        if parent := os.environ.get(WITH_PARENT):
            _end_with(int(parent))
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for a script's background commands (`&`)
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._listen_where_the_url_leads(options)
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        """Called by Django when it knows the address: here, and in each process started by the reloader."""
        if int(self.port) != self.own_port:
            self.follow_argument()
        if options.get("processes"):
            autoreload_started.connect(_watch_sources)
        if _is_restarted():
            super().run(**options)
            return
        self._refuse_taken(int(self.port), self.port_remedy)
        with_auth_server = options.get("with_auth_server")
        if with_auth_server:
            self._refuse_taken(settings.AUTH_SERVER_PORT, "set AUTH_SERVER_PORT")
        try:
            with ExitStack() as stack:
                stack.enter_context(_database())
                if valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR):
                    stack.enter_context(valkey.running(settings.REDIS_URL))
                if with_auth_server:
                    stack.enter_context(_auth_server(reload=options["use_reloader"]))
                os.environ[WITH_PARENT] = str(os.getpid())  # for the processes started by the reloader
                super().run(**options)
        except valkey.Refused as error:
            raise CommandError(str(error), returncode=exit_codes.NO_VALKEY) from error

    @property
    def port_remedy(self) -> str:
        """What to do if the port is in use."""
        return f"set {self.port_variable}"

    def follow_argument(self) -> None:
        """Restart with PORT from the argument, as the published URLs depend on it."""
        os.environ[self.port_variable] = str(self.port)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program

    def _listen_where_the_url_leads(self, options: dict[str, Any]) -> None:
        """Listen on the loopback address in the server's own URL, unless an argument says otherwise."""
        argument = options["addrport"]
        with suppress(ValueError):  # a name, such as localhost
            address = ip_address(urlsplit(self.own_url).hostname or "")
            if address.is_loopback and (not argument or argument.isdigit()):
                self.default_addr = self.default_addr_ipv6 = str(address)
                options["use_ipv6"] = address.version == 6

    def _refuse_taken(self, port: int, remedy: str) -> None:
        """Reject an unavailable port before anything is started; Daphne would continue without it."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            socket.create_server((self.addr, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"Port {port} is in use: {remedy}.", returncode=exit_codes.PORT_UNAVAILABLE
                ) from None
            raise CommandError(
                f"Port {port} cannot be used: {error.strerror}.", returncode=exit_codes.PORT_UNAVAILABLE
            ) from None

    def inner_run(self, *args: Any, **options: Any) -> None:
        # In separate mode only the authorization server has an admin.
        has_admin = not (settings.IS_SEPARATE and self.has_auth_server)
        with _one_of_several():
            call_command("migrate", interactive=False, verbosity=0)
            password = _first_admin_password() if has_admin else None
            self.prepare()
        if count := options.get("processes"):
            self._run_several(count, password)
            return
        # Daphne calls it when it listens.
        self.server_cls = partial(self.server_cls, ready_callable=lambda: self.say_ready(password))
        super().inner_run(*args, **options)

    def _run_several(self, count: int, password: str | None) -> None:
        """Serve with several processes behind a relay."""
        self.stdout.write("Performing system checks...\n\n")
        self.check(display_num_errors=True)
        self.stdout.write(
            f"Starting {count} processes behind {self.protocol}://{self.addr}:{self.port}/\n"
            "Quit the server with CONTROL-C.\n"
        )
        environment = {**os.environ, "DEBUG": str(settings.DEBUG).lower()}
        path = [str(settings.SITE_DIR.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(path)  # this command may run in another folder
        if "MCP_LEASE_SECONDS" not in settings.ENV.given:
            environment["MCP_LEASE_SECONDS"] = str(_LEASE_SECONDS)
        relay.run(*(self.addr, int(self.port), count, environment), lambda: self.say_ready(password))

    def prepare(self) -> None:
        """What else must run before the server starts, once there is an admin."""

    def places(self, password: str | None) -> list[tuple[str, str]]:
        """The URLs to open, with labels."""
        base = settings.BASE_URI
        inspector = "npx -y @modelcontextprotocol/inspector@latest --transport http --server-url"
        admin = ("Admin", f"{base}/admin/   ({self.credentials(password)})")
        start = "" if env.auth_server_fault(settings.ENV) else ", started by runauthserver"
        authorization = ("Authorization", f"{settings.AUTH_SERVER_URL}/   (another server{start})")
        return [
            ("Landing page", f"{base}/"),
            ("Try it", f"{base}/try"),
            ("MCP endpoint", f"{base}/mcp"),
            authorization if settings.IS_SEPARATE else admin,
            ("MCP Inspector", f"{inspector} {base}/mcp"),
        ]

    def credentials(self, password: str | None) -> str:
        return f"user {ADMIN}, password {password}" if password else "sign in as before"

    def say_ready(self, password: str | None) -> None:
        """Say what to open, once the server listens.

        Args:
            password: That of the admin, if it is new.
        """
        self.stdout.write("\n")
        url = urlsplit(self.own_url)
        is_direct = url.scheme == "http" and is_loopback(url.hostname)
        if is_direct and (url.port or 80) != int(self.port):
            self.stdout.write(
                self.style.WARNING(
                    f"  {self.url_variable} is {self.own_url}, but this server listens on port {self.port}. "
                    "Unless something forwards one to the other,\n"
                    f"  clients will not find it: set {self.url_variable}.\n\n"
                )
            )
        for label, text in self.places(password):
            self.stdout.write(f"  {label:<15}{self.style.SUCCESS(text)}\n")
        if password:
            self.stdout.write(
                f"  This password is shown once; `{startup.program()} changepassword {ADMIN}` sets another.\n"
            )
        self.stdout.write("\n")
        self.stdout.flush()  # in a pipe it would be lost with this process


def _is_restarted() -> bool:
    """Whether this process was started by the reloader."""
    return os.environ.get(DJANGO_AUTORELOAD_ENV) == "true"


def _watch_sources(sender: BaseReloader, **kwargs: Any) -> None:
    """Let the reloader watch what only the processes behind the relay import."""
    for config in apps.get_app_configs():
        if Path(config.path).is_relative_to(settings.SITE_DIR.parent):
            sender.watch_dir(Path(config.path), "**/*.py")


@contextmanager
def _database() -> Iterator[None]:
    """Check that the database can be used before anything starts; at the end, merge its journal."""
    try:
        with _one_of_several():
            connection.ensure_connection()
    except DatabaseError as error:
        raise CommandError(startup.explanation(error) or str(error), returncode=exit_codes.NO_STATE) from None
    connection.close()
    try:
        yield
    finally:
        if connection.vendor == "sqlite":
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute(
                    "PRAGMA busy_timeout = 1000"
                )  # milliseconds, should somebody else write just now
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


@contextmanager
def _one_of_several() -> Iterator[None]:
    """Prevent other commands from preparing the same database at the same time."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    deadline = time.monotonic() + _PREPARE_SECONDS
    folder = os.open(settings.BASE_DIR, os.O_RDONLY)  # whatever can be read can be locked
    try:
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise CommandError("Another command is preparing the database of this folder.") from None
                time.sleep(0.1)
        yield
    finally:
        os.close(folder)


@contextmanager
def _auth_server(*, reload: bool) -> Iterator[None]:
    """Keep `runauthserver` running in a separate process while the context is open."""
    command = [sys.executable, sys.argv[0], "runauthserver", *([] if reload else ["--noreload"])]
    process = subprocess.Popen(command, env={**os.environ, WITH_PARENT: str(os.getpid())})  # noqa: S603 - this very program
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _first_admin_password() -> str | None:
    """Create the first administrator; returns its password, or None if there already is an administrator."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, password=password)
    return password


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, even after SIGKILL, and even before this call.

    Args:
        parent: The process id of the one that started it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(_PARENT_CHECK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
