"""The notes of users, in the database."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Func, IntegerField
from django.utils.timezone import now

from everything_site.demo.models import Note as Row
from everything_site.demo.notes import ListedNote, Note, TooManyNotes
from mcp_app.resources import Person

MAX_NOTES = 100
"""How many notes a user may have."""


class _Size(Func):
    """The bytes of a text in UTF-8, without reading it."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        """For versions before 3.43, which lack the function."""
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **options)


class UserNotes:
    """The implementation of `everything_site.demo.notes.NoteStore`."""

    def space(self, person: Person) -> str:
        """Derived from SECRET_KEY: after a key change the notes have new URIs."""
        text = f"{person.issuer}\0{person.subject}".encode()
        key = b"mcp note space " + settings.SECRET_KEY.encode()
        return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]

    async def page(self, person: Person, after: int | None, most: int) -> Sequence[ListedNote]:
        def page() -> Sequence[ListedNote]:
            rows = _rows(person) if after is None else _rows(person).filter(pk__gt=after)
            rows = rows.order_by("pk").annotate(size=_Size("text"))
            fields = rows.values_list("pk", "note_id", "title", "size", "updated")
            return [ListedNote(*values) for values in fields[:most]]

        return await _in_database(page)

    async def ids(self, person: Person) -> Sequence[str]:
        return await _in_database(lambda: list(_rows(person).values_list("note_id", flat=True)))

    async def get(self, person: Person, note_id: str) -> Note | None:
        if "\0" in note_id:  # valid in a URI, but an error in PostgreSQL
            return None

        def get() -> Note | None:
            row = _rows(person).filter(note_id=note_id).first()
            return None if row is None else _note(row)

        return await _in_database(get)

    async def create(self, person: Person, title: str, text: str) -> Note:
        def create() -> Note:
            with _one_at_a_time(person):
                if _rows(person).count() >= MAX_NOTES:
                    raise TooManyNotes(f"{MAX_NOTES} are allowed")
                return _note(
                    Row.objects.create(issuer=person.issuer, subject=person.subject, title=title, text=text)
                )

        return await _in_database(create)

    async def edit(self, person: Person, note_id: str, title: str | None, text: str | None) -> Note | None:
        # Write only what is given, as the rest may be changed concurrently.
        given = {name: value for name, value in (("title", title), ("text", text)) if value is not None}
        await _in_database(lambda: _rows(person).filter(note_id=note_id).update(**given, updated=now()))
        return await self.get(person, note_id)

    async def delete(self, person: Person, note_id: str) -> bool:
        return await _in_database(lambda: bool(_rows(person).filter(note_id=note_id).delete()[0]))


def _rows(person: Person) -> Any:
    return Row.objects.of(person.issuer, person.subject)


@contextmanager
def _one_at_a_time(person: Person) -> Iterator[None]:
    """A transaction with a lock on this user, so that the count stays valid until it ends.

    SQLite has a single writer, and takes its lock at the start (`transaction_mode` in the settings).
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            digest = hashlib.sha256(f"mcp notes {person.issuer}\0{person.subject}".encode()).digest()
            key = int.from_bytes(digest[:8], signed=True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
        yield


def _note(row: Row) -> Note:
    return Note(number=row.pk, id=row.note_id, title=row.title, text=row.text, updated=row.updated)


async def _in_database(work: Callable[[], Any]) -> Any:
    # In any thread of the pool, so that slow queries do not block others.
    return await database_sync_to_async(work, thread_sensitive=False)()
