"""docs/upgrades.md and the changelog: what each release changes."""

from __future__ import annotations

import re

import pytest

from mcp_app.extensions.tasks import task
from mcp_app.sessions import record
from tests.docs.markdown import DOCS, code, rows

PAGE = "upgrades.md"
APPS = {"mcp_app": "mcp_app", "oauth_app": "oauth_app", "demo": "everything_site/demo"}
CHANGELOG = (DOCS.parent / "CHANGELOG.md").read_text()


def test_every_migration_is_listed_with_whether_the_previous_release_runs_on_it() -> None:
    table = rows(PAGE, "Migration")
    listed = [name for row in table for name in code(row["Migration"])]
    there = [
        f"{app}/{path.stem}"
        for app, folder in APPS.items()
        for path in (DOCS.parent / folder / "migrations").glob("[0-9]*.py")
    ]
    assert sorted(listed) == sorted(there)
    assert all(row["The previous release runs on it"] for row in table)


@pytest.mark.parametrize(("what", "version"), [("sessions", record.VERSION), ("tasks", task.VERSION)])
def test_the_versions_of_what_is_in_redis_are_those_of_the_code(what: str, version: str) -> None:
    [row] = [row for row in rows(PAGE, "Version of") if row["Version of"] == what]
    assert code(row["Now"]) == [version]


def test_every_release_has_upgrade_notes() -> None:
    releases = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]
    assert releases
    for release in releases:
        assert "**Upgrade notes.**" in release, release.splitlines()[0]
