"""The store of notes: in the database, and so the same in every process."""

import asyncio

import pytest
from django.db import connection
from django.db.models.signals import post_init

from everything_site.demo.models import Note as Row
from everything_site.demo.notes import ListedNote, TooManyNotes
from everything_site.demo.user_notes import MAX_NOTES, UserNotes
from mcp_app.resources import Person
from tests.support.queries import watched_database

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Person("https://as", "1")
ELSEWHERE = Person("https://another", "1")


@pytest.fixture
def processes():
    return [UserNotes(), UserNotes()]


async def test_a_note_made_here_is_read_changed_and_deleted_there(processes):
    here, there = processes
    note = await here.create(ALICE, "Tea", "Buy tea")
    assert await there.page(ALICE, None, 10) == [ListedNote(note.number, note.id, "Tea", 7, note.updated)]
    changed = await there.edit(ALICE, note.id, None, "Bought")
    assert (changed.title, changed.text) == ("Tea", "Bought")
    assert changed.updated > note.updated
    assert await here.get(ALICE, note.id) == changed
    assert await here.delete(ALICE, note.id)
    assert not await there.delete(ALICE, note.id)
    assert await there.get(ALICE, note.id) is None
    assert await there.edit(ALICE, note.id, "x", None) is None


async def test_notes_are_listed_in_pages_and_without_reading_their_texts(processes):
    here, _ = processes
    row = {"issuer": ALICE.issuer, "subject": ALICE.subject}
    await Row.objects.abulk_create([Row(**row, title=f"{n}", text="ü" * n) for n in range(7)])
    with watched_database() as database:
        first = await here.page(ALICE, None, 4)
        second = await here.page(ALICE, first[-1].number, 4)
    assert [(note.title, note.size) for note in [*first, *second]] == [(f"{n}", 2 * n) for n in range(7)]
    assert len(first) == 4
    queries = [query for query in database.queries if "mcp_app_note" in query]
    assert len(queries) == 2
    for query in queries:
        columns = query.partition(" FROM ")[0].replace(" ", "").lower()
        assert ',"mcp_app_note"."text",' not in columns
        assert "LIMIT 4" in query


async def test_an_edit_keeps_what_it_was_not_given(processes):
    here, _ = processes
    note = await here.create(ALICE, "title", "text")

    def meanwhile(**of_the_signal):
        Row.objects.filter(note_id=note.id).update(text="another text")

    post_init.connect(meanwhile, sender=Row)  # whenever a note is read, somebody else edits it
    try:
        await here.edit(ALICE, note.id, "another title", None)
    finally:
        post_init.disconnect(meanwhile, sender=Row)
    changed = await here.get(ALICE, note.id)
    assert (changed.title, changed.text) == ("another title", "another text")


async def test_a_subject_of_another_issuer_is_another_user(processes):
    here, _ = processes
    note = await here.create(ALICE, "Tea", "")
    assert await here.page(ELSEWHERE, None, 10) == []
    assert await here.get(ELSEWHERE, note.id) is None
    assert await here.edit(ELSEWHERE, note.id, "x", None) is None
    assert not await here.delete(ELSEWHERE, note.id)
    assert here.space(ALICE) != here.space(ELSEWHERE)


async def test_the_space_is_the_same_in_every_process_and_cannot_be_guessed(processes, settings):
    here, there = processes
    space = here.space(ALICE)
    assert space == there.space(ALICE) == space.lower()
    assert len(space) == 32
    settings.SECRET_KEY = "another"
    assert here.space(ALICE) != space


async def test_a_user_has_only_so_many_notes(processes):
    here, _ = processes
    row = {"issuer": ALICE.issuer, "subject": ALICE.subject, "title": "x"}
    await Row.objects.abulk_create([Row(**row) for _ in range(MAX_NOTES)])
    with pytest.raises(TooManyNotes):
        await here.create(ALICE, "more", "")
    assert await here.create(ELSEWHERE, "fine", "")


async def test_an_id_that_no_database_takes_names_no_note(processes):
    here, _ = processes
    assert await here.get(ALICE, "a\0b") is None


async def test_notes_created_concurrently_do_not_exceed_the_limit(processes):
    if connection.vendor == "sqlite" and "memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("a database in memory fails at once where another would wait")
    here, there = processes
    row = {"issuer": ALICE.issuer, "subject": ALICE.subject, "title": "x"}
    await Row.objects.abulk_create([Row(**row) for _ in range(MAX_NOTES - 3)])
    creating = [process.create(ALICE, "more", "") for _ in range(10) for process in (here, there)]
    made = await asyncio.gather(*creating, return_exceptions=True)
    assert sum(isinstance(one, TooManyNotes) for one in made) == len(made) - 3
    assert len(await here.page(ALICE, None, 1000)) == MAX_NOTES
