"""Whether a process is ready depends on the database if the project has one."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connections
from django.db.utils import ConnectionHandler

from mcp_app import readiness


@pytest.mark.parametrize("databases", [{}, {"default": {}}, {"default": {}, "other": {"ENGINE": "x"}}])
def test_a_project_may_have_no_database(databases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert readiness.has_database()
    monkeypatch.setattr(readiness, "connections", ConnectionHandler(databases))
    assert not readiness.has_database()


@pytest.mark.django_db(transaction=True)
async def test_a_database_that_is_migrated_is_ready() -> None:
    await readiness.try_database()


@pytest.mark.django_db(transaction=True)
async def test_a_database_that_cannot_be_opened_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    if connections["default"].vendor == "sqlite":
        monkeypatch.setitem(connections["default"].settings_dict, "NAME", "/nowhere/db.sqlite3")
    else:
        monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    with pytest.raises(OperationalError):
        await readiness.try_database()


def test_the_apps_of_the_package_say_that_their_tables_are_written() -> None:
    installed = [label for label in ("mcp_app", "oauth_app") if apps.is_installed(label)]
    assert readiness.written_apps() == installed
