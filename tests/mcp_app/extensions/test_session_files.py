"""Files of a session: readable in every process, and gone with their session."""

import asyncio

import pytest

from everything_site.demo.session_files import RedisSessionFiles
from everything_site.demo.tools.gzipping import MAX_FILES, TooManyFiles
from mcp_app.sessions import keys

SESSION = "session-files-test"


@pytest.fixture
async def files(redis):
    yield RedisSessionFiles(redis)
    await redis.delete(*keys.of_session(SESSION))


async def test_a_file_is_read_as_it_was_written(files, redis):
    data = bytes(range(256))
    await files.write(SESSION, "a.gz", data)
    elsewhere = RedisSessionFiles(redis)
    assert await elsewhere.names(SESSION) == ["a.gz"]
    assert await elsewhere.read(SESSION, "a.gz") == data
    assert await elsewhere.read(SESSION, "b.gz") is None
    assert await elsewhere.names("another session") == []


async def test_files_written_at_once_are_no_more_than_allowed(files, redis):
    elsewhere = RedisSessionFiles(redis)
    assert await files.write(SESSION, "0.gz", b"x")
    writing = [
        each.write(SESSION, f"{number}.gz", b"x")
        for number, each in enumerate([files, elsewhere] * MAX_FILES, start=1)
    ]
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert outcomes.count(True) == MAX_FILES - 1
    assert sum(isinstance(outcome, TooManyFiles) for outcome in outcomes) == len(outcomes) - MAX_FILES + 1
    assert len(await files.names(SESSION)) == MAX_FILES
    assert await elsewhere.write(SESSION, "0.gz", b"y") is False
    assert await files.read(SESSION, "0.gz") == b"y"


async def test_files_end_with_their_session(files, redis):
    await files.write(SESSION, "a.gz", b"x")
    assert await redis.ttl(keys.files(SESSION)) > 0
    await redis.delete(*keys.of_session(SESSION))
    assert await files.names(SESSION) == []


def test_files_live_as_long_as_their_session_is_used():
    assert keys.files(SESSION) in keys.renewed_by_use(SESSION)
