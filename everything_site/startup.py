"""Starts a server process, and explains errors that prevent it."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

    from mcp_app.runtime import Runtime

logger = logging.getLogger(__name__)


def setup(*, tolerated: Collection[str] = ()) -> None:
    """Set up Django in a process of any ASGI server, and check its configuration.

    Args:
        tolerated: The ids of errors that this process can live with: they are logged like warnings.

    Raises:
        SystemExit: The configuration is invalid; with a line for each fault instead of a traceback.
    """
    if not _set_up_django():
        _judge(_run_checks(), tolerated)


def setup_runtime() -> Runtime:
    """Do what `setup` does, and return the runtime of this process: the one that was built to be checked.

    Raises:
        SystemExit: The configuration is invalid; with a line for each fault instead of a traceback.
    """
    if not _set_up_django():
        from mcp_app import server_checks

        found = _run_checks(but=server_checks.check_server)
        built, of_server = server_checks.built_and_checked()
        _judge([*found, *of_server])
        if built is not None:
            return built
    from mcp_app.runtime import Runtime

    return Runtime()


def _set_up_django() -> bool:
    """Set up Django. Returns whether this process is a command, such as runserver, which has run the checks.

    Raises:
        SystemExit: A variable is invalid, or the embedded Valkey cannot be used.
    """
    is_command = apps.ready
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "everything_site.settings")
    try:
        django.setup(set_prefix=False)
        if not is_command:
            _refuse_implied_debug()
        _hold_embedded_valkey()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None
    return is_command


def _refuse_implied_debug() -> None:
    """Raise ImproperlyConfigured if DEBUG is on only since BASE_URI is missing, or names this computer.

    `runserver` is for development. Any other server may listen on all addresses, where the error pages of
    DEBUG would show settings to strangers.
    """
    from django.conf import settings

    if settings.DEBUG and "DEBUG" not in settings.ENV.given:
        raise ImproperlyConfigured(
            f"BASE_URI is {settings.BASE_URI}, so this would run with DEBUG: set BASE_URI to the public URL. "
            "On your own computer, set DEBUG=true."
        )


def program() -> str:
    """The command line that runs management commands: that of a checkout, or the program of the wheel."""
    installed = "everything-server"
    return installed if os.path.basename(sys.argv[0]) == installed else "python manage.py"


def announce() -> None:
    """Log that this process has started, and as what."""
    from django.conf import settings

    from mcp_app import __version__

    fields = {"version": __version__, "mode": settings.AUTH_MODE, "base_uri": settings.BASE_URI}
    logger.info("process started", extra=fields)


def _run_checks(*, but: Any = None) -> list[CheckMessage]:
    """Run the system checks, each of them once; of those for deployments, only errors count."""
    from django.core.checks.registry import registry

    checks = [check for check in registry.get_checks() if check is not but]
    found = [message for check in checks for message in check(app_configs=None, databases=None)]
    for check in registry.deployment_checks:
        found += [message for message in check(app_configs=None, databases=None) if message.is_serious()]
    return found


def _judge(found: Collection[CheckMessage], tolerated: Collection[str] = ()) -> None:
    """Log what the checks found, or end this process with a line for each error."""
    found = [message for message in found if not message.is_silenced()]
    if errors := [message for message in found if message.is_serious() and message.id not in tolerated]:
        raise SystemExit(
            "\n".join(" ".join(filter(None, (error.msg, error.hint, f"({error.id})"))) for error in errors)
        )
    for warning in found:
        logger.warning("questionable setting", extra={"check": warning.id, "reason": warning.msg})


def explanation(error: BaseException) -> str | None:
    """What to do about an error that ended a command; None for an unknown error."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, DatabaseError):
        return _about_database(error)
    return None


def _about_database(error: DatabaseError) -> str | None:
    from django.db.migrations.exceptions import MigrationSchemaMissing
    from django.db.migrations.executor import MigrationExecutor

    from mcp_app.database import is_database_outage

    reason: BaseException = error
    if isinstance(error, MigrationSchemaMissing):  # the first table cannot be created
        reason = error.__context__ or error
    elif _lacks_something(error):
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return f"The database lacks tables of this version: run `{program()} migrate` first."
        except DatabaseError as outage:
            reason = outage
        else:
            return None
    elif not is_database_outage(error):
        return None
    sentence = str(reason).strip().partition("\n")[0]
    return sentence if "DATABASE_URL" in sentence else f"{sentence}\nCheck DATABASE_URL."


def _lacks_something(error: DatabaseError) -> bool:
    """Whether a table or a column is missing: by PostgreSQL's SQLSTATE, or by SQLite's message."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate in ("42P01", "42703")
    return bool(re.search(r"no such (table|column)|has no column", str(error)))


def _hold_embedded_valkey() -> None:
    from django.conf import settings

    from mcp_app import valkey

    if valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR):
        try:
            valkey.hold(settings.REDIS_URL)
        except valkey.Refused as refused:
            raise ImproperlyConfigured(str(refused)) from None
