"""Starts a server process, and explains errors that prevent it."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection

logger = logging.getLogger(__name__)


def setup(*, tolerated: Collection[str] = ()) -> None:
    """Set up Django in a process of any ASGI server, and check its configuration.

    Args:
        tolerated: The ids of errors that this process can live with: they are logged like warnings.

    Raises:
        SystemExit: The configuration is invalid; with a line for each fault instead of a traceback.
    """
    is_command = apps.ready  # such as runserver, which has run the checks
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "everything_site.settings")
    try:
        django.setup(set_prefix=False)
        if not is_command:
            _refuse_implied_debug()
        _hold_embedded_valkey()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None
    if not is_command:
        _check(tolerated)


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


def _check(tolerated: Collection[str]) -> None:
    """Run the system checks, each of them once; of those for deployments, only errors count."""
    from django.core.checks import run_checks
    from django.core.checks.registry import registry

    found = list(run_checks())
    for check in registry.deployment_checks:
        found += [message for message in check(app_configs=None, databases=None) if message.is_serious()]
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
