"""Notes and the permissions to them outlive the move of their model from one app to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from everything_site.demo.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


def titles() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM mcp_app_note")
        return [title for (title,) in cursor.fetchall()]


def migrate(*targets: str) -> None:
    """Migrate to the given state, with the signals that create content types and permissions."""
    call_command("migrate", *targets, verbosity=0)


@pytest.fixture
def before() -> Iterator[Any]:
    """The database as it was before the move; migrated again at the end."""
    migrate("mcp_app", "0002")
    assert ("demo", "0001_note") not in MigrationExecutor(connection).loader.applied_migrations
    yield MigrationExecutor(connection).loader.project_state([("mcp_app", "0002_note")]).apps
    migrate()


def test_a_database_with_notes_migrates_forwards_and_backwards(before: Any) -> None:
    before.get_model("mcp_app", "Note").objects.create(subject="alice", title="Tea")
    migrate()
    assert [note.title for note in Note.objects.of("", "alice")] == ["Tea"]
    Note.objects.create(subject="alice", title="Milk")
    migrate("mcp_app", "0002")
    assert sorted(titles()) == ["Milk", "Tea"]
    migrate()
    assert Note.objects.count() == 2


def test_permission_to_delete_notes_is_kept(before: Any) -> None:
    alice = User.objects.create_user("alice")
    permission = Permission.objects.get(content_type__app_label="mcp_app", codename="delete_note")
    alice.user_permissions.add(permission)
    migrate()
    assert User.objects.get(username="alice").has_perm("demo.delete_note")
    assert Permission.objects.filter(codename="delete_note").count() == 1


def test_a_project_without_the_demonstration_has_no_table_of_notes() -> None:
    migrate("demo", "zero")
    with connection.schema_editor() as editor:
        editor.delete_model(Note)
    migrate("mcp_app", "zero")
    migrate("mcp_app")
    assert Note._meta.db_table not in connection.introspection.table_names()
    migrate()
    assert not Note.objects.exists()
