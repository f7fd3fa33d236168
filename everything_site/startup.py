"""How a process of this project starts, and the sentence that a person reads when it cannot."""

from __future__ import annotations

import os

import django
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection


def setup() -> None:
    """Set Django up in a server process, by whatever server it is started.

    Raises:
        SystemExit: The configuration makes no sense: with its one sentence instead of a traceback.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "everything_site.settings")
    try:
        django.setup(set_prefix=False)
        _hold_embedded_valkey()
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None


def explanation(error: BaseException) -> str | None:
    """What is to be done about an error that ended a command; None if it is none of the usual ones."""
    if isinstance(error, ImproperlyConfigured):
        return str(error)
    if isinstance(error, DatabaseError):
        return _about_database(error)
    return None


def _about_database(error: DatabaseError) -> str | None:
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "The database lacks tables of this version: run `python manage.py migrate` first."
    except DatabaseError as outage:
        sentence = str(outage).strip().partition("\n")[0]
        return sentence if "DATABASE_URL" in sentence else f"{sentence}\nLook at DATABASE_URL."
    return None


def _hold_embedded_valkey() -> None:
    from django.conf import settings

    from everything_site import valkey

    if valkey.is_embedded(settings.REDIS_URL, settings.BASE_DIR):
        try:
            valkey.hold(settings.REDIS_URL)
        except valkey.Refused as refused:
            raise ImproperlyConfigured(str(refused)) from None
