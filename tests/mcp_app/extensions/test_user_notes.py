"""The notes' store: in the database, with changes that reach the user's sessions in every process."""

import asyncio

import pytest
from django.db import connection
from django.db.models.signals import post_init

from everything_site.demo.models import Note as Row
from everything_site.demo.notes import TooManyNotes
from everything_site.demo.user_notes import MAX_NOTES, MAX_READERS, UserNotes, readers_key
from mcp_app.exceptions import Store, Unavailable
from mcp_app.resources import Person
from mcp_app.sessions import keys
from mcp_app.sessions.events import PENDING

from .support import WAIT, Hub

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Person("https://as", "1")
ELSEWHERE = Person("https://another", "1")


SECONDS = 100
"""What the sessions of these tests have yet to live."""


@pytest.fixture
def told():
    return []


@pytest.fixture
async def sessions(redis):
    """Three sessions, as far as notes need them: their records are there."""
    names = ["s1", "s2", "s3"]
    for name in names:
        await redis.hset(keys.record(name), "owner", "somebody")
        await redis.expire(keys.record(name), SECONDS)
        await redis.set(keys.owner(name), "somebody", ex=SECONDS)
    yield names
    for name in names:
        await redis.delete(keys.record(name), keys.owner(name))


@pytest.fixture
async def processes(redis, told):
    hub = Hub()

    async def append(session_id, stream, message):
        told.append((session_id, stream, message["method"]))

    made = [UserNotes(redis, hub.bus(), append) for _ in range(2)]
    yield made
    await redis.delete(readers_key(made[0].space(ALICE)), readers_key(made[0].space(ELSEWHERE)))


async def test_a_note_made_here_is_read_changed_and_deleted_there(processes):
    here, there = processes
    note = await here.create(ALICE, "Tea", "Buy tea")
    assert await there.list(ALICE) == [note]
    changed = await there.edit(ALICE, note.id, None, "Bought")
    assert (changed.title, changed.text) == ("Tea", "Bought")
    assert changed.updated > note.updated
    assert await here.get(ALICE, note.id) == changed
    assert await here.delete(ALICE, note.id)
    assert not await there.delete(ALICE, note.id)
    assert await there.get(ALICE, note.id) is None
    assert await there.edit(ALICE, note.id, "x", None) is None


async def test_an_edit_leaves_alone_what_it_was_not_given(processes):
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
    assert await here.list(ELSEWHERE) == []
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


async def test_notes_created_at_once_are_no_more_than_allowed(processes):
    if connection.vendor == "sqlite" and "memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("a database in memory fails at once where another would wait")
    here, there = processes
    row = {"issuer": ALICE.issuer, "subject": ALICE.subject, "title": "x"}
    await Row.objects.abulk_create([Row(**row) for _ in range(MAX_NOTES - 3)])
    creating = [process.create(ALICE, "more", "") for _ in range(10) for process in (here, there)]
    made = await asyncio.gather(*creating, return_exceptions=True)
    assert sum(isinstance(one, TooManyNotes) for one in made) == len(made) - 3
    assert len(await here.list(ALICE)) == MAX_NOTES


async def test_a_change_of_the_list_reaches_the_users_sessions_wherever_they_read_it(
    processes, sessions, told
):
    here, there = processes
    await here.remember(ALICE, "s1")
    await there.remember(ALICE, "s2")
    await there.remember(ELSEWHERE, "s3")
    await here.announce(ALICE)
    method = "notifications/resources/list_changed"
    assert sorted(told) == [("s1", PENDING, method), ("s2", PENDING, method)]


async def test_a_change_that_cannot_be_announced_is_a_change_all_the_same(processes, redis, monkeypatch):
    here, _ = processes

    async def fails(*args):
        raise Unavailable(Store.SESSIONS, "away")

    monkeypatch.setattr(redis, "zrange", fails)
    with here.watch(ALICE) as changed:
        await here.announce(ALICE)
    assert changed.is_set()


async def test_a_session_that_ended_is_forgotten(processes, sessions, told, redis):
    here, _ = processes
    await here.remember(ALICE, "s1")
    await redis.delete(keys.record("s1"), keys.owner("s1"))
    await here.announce(ALICE)
    assert told == []
    assert not await redis.exists(readers_key(here.space(ALICE)))


async def test_a_session_does_not_live_longer_for_hearing_of_changes(processes, sessions, redis, told):
    here, _ = processes
    await here.remember(ALICE, "s1")
    await here.announce(ALICE)
    assert len(told) == 1
    assert await redis.ttl(keys.record("s1")) <= SECONDS
    assert await redis.ttl(keys.owner("s1")) <= SECONDS


async def test_an_idle_session_is_told_nothing_and_hears_again_when_it_is_used(
    processes, sessions, redis, told
):
    here, _ = processes
    await here.remember(ALICE, "s1")
    await redis.delete(keys.owner("s1"))
    await here.announce(ALICE)
    assert told == []
    await redis.set(keys.owner("s1"), "somebody", ex=SECONDS)
    await here.announce(ALICE)
    assert len(told) == 1


async def test_readers_are_few_and_expire(processes, redis):
    here, _ = processes
    for number in range(MAX_READERS + 5):
        await here.remember(ALICE, f"s{number}")
    key = readers_key(here.space(ALICE))
    assert await redis.zcard(key) == MAX_READERS
    assert await redis.ttl(key) > 0


async def test_a_watcher_in_another_process_is_woken_for_its_user_alone(processes):
    here, there = processes
    with there.watch(ALICE) as alice, there.watch(ELSEWHERE) as elsewhere:
        await here.announce(ALICE)
        async with asyncio.timeout(WAIT):
            await alice.wait()
        assert not elsewhere.is_set()
