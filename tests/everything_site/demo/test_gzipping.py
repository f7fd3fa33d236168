"""Compressing data into a resource of the session, and invalid input."""

import base64
import gzip
import threading
from collections import defaultdict
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from everything_site.demo.tools import gzipping
from everything_site.demo.tools.gzipping import (
    MAX_BYTES,
    MAX_FILES,
    PIECE,
    decode_data_uri,
)
from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND

from .support import MODERN, WAIT, Exchange, Values, build_server, connect, text, texts

NAME = "gzip-file-as-resource"


@pytest.fixture(autouse=True)
def sessions(monkeypatch):
    """The data of each session, by its id."""
    kept = defaultdict(Values)
    monkeypatch.setattr(f"{__name__}.SESSIONS", kept)
    return kept


SESSIONS = defaultdict(Values)


def exchange(session_id="one", subscriptions=()):
    record = SimpleNamespace(id=session_id, subscriptions=frozenset(subscriptions))
    session = SimpleNamespace(record=record, data=SESSIONS[session_id])
    return Exchange(request=SimpleNamespace(session=session, headers={}))


async def make(server, files_of="one", **arguments):
    call = {"name": NAME, "arguments": {"data": "data:,hello", **arguments}}
    return await exchange(files_of).run(server, "tools/call", call)


@pytest.fixture
def serving():
    return build_server()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data:,hello%20world", b"hello world"),
        ("data:text/plain;base64,aGVsbG8=", b"hello"),
        ("DATA:;BASE64,aGVsbG8%3D", b"hello"),
        ("data:text/plain;charset=utf-8,%C3%B6", "ö".encode()),
        ("data:,", b""),
    ],
)
def test_data_uris_are_decoded(uri, expected):
    assert decode_data_uri(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://example.com/",
        "file:///etc/passwd",
        "data:hello",
        "data:;base64,!!!",
        "hello",
        "",
        "data:," + "x" * (MAX_BYTES + 1),
    ],
)
async def test_anything_else_is_refused_and_nothing_is_fetched(server, era, uri):
    async with connect(server, era) as client:
        result = await client.call_tool(NAME, {"data": uri})
    assert result.is_error
    assert "data" in texts(result)[0]


@pytest.fixture
def pieces(monkeypatch):
    """The lengths of what is decoded."""
    lengths = []

    def unquote(piece):
        lengths.append(len(piece))
        return unquote_to_bytes(piece)

    monkeypatch.setattr(gzipping, "unquote_to_bytes", unquote)
    return lengths


@pytest.mark.parametrize("head", ["data:,", "data:;base64,"])
@pytest.mark.parametrize("text", ["%", "%41", "é"])
def test_nothing_is_decoded_of_data_that_are_certainly_too_long(pieces, head, text):
    with pytest.raises(ValueError, match="longer than"):
        decode_data_uri(head + text * (12 * MAX_BYTES // len(text)))
    assert pieces == []


@pytest.mark.parametrize("text", ["%", "%zz", "é"])
def test_long_data_are_decoded_in_pieces_and_only_as_far_as_they_are_allowed(pieces, text):
    with pytest.raises(ValueError, match="longer than"):
        decode_data_uri("data:," + text * (3 * MAX_BYTES // len(text)))
    assert max(pieces) <= PIECE
    assert sum(pieces) <= MAX_BYTES + PIECE


@pytest.mark.parametrize("shift", range(8))
def test_a_piece_does_not_end_within_a_percent_encoding(monkeypatch, shift):
    monkeypatch.setattr(gzipping, "PIECE", 7)
    for encoded in ("%41%C3%B6" * 9, "%" * 40, "%4%41%%41%" * 9, "ö%" * 20):
        assert decode_data_uri("data:," + "x" * shift + encoded) == unquote_to_bytes("x" * shift + encoded)


async def test_others_are_answered_while_data_are_compressed(server, monkeypatch):
    begun, answered = threading.Event(), threading.Event()
    was_answered = []

    def compress(uri):
        begun.set()
        was_answered.append(answered.wait(WAIT / 2))
        return b"compressed"

    monkeypatch.setattr(gzipping, "compress", compress)
    async with connect(server, MODERN) as client, anyio.create_task_group() as calls:
        calls.start_soon(client.call_tool, NAME, {"data": "data:,hello"})
        await anyio.to_thread.run_sync(begun.wait, WAIT)
        assert text(await client.call_tool("echo", {"message": "x"})) == "Echo: x"
        answered.set()
    assert was_answered == [True]


async def test_a_file_is_linked_listed_and_readable_in_its_session(serving):
    (link,) = (await make(serving))["content"]
    assert link["type"] == "resource_link"
    assert link["uri"] == "session://files/README.md.gz"
    read = await exchange().run(serving, "resources/read", {"uri": link["uri"]})
    data = base64.b64decode(read["contents"][0]["blob"])
    assert gzip.decompress(data) == b"hello"
    assert len(data) == link["size"]
    cursor, uris = None, []
    while True:
        page = await exchange().run(serving, "resources/list", {"cursor": cursor} if cursor else {})
        uris += [resource["uri"] for resource in page["resources"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert uris.count(link["uri"]) == 1


async def test_another_session_neither_reads_nor_lists_it(serving):
    (link,) = (await make(serving))["content"]
    with pytest.raises(MCPError) as caught:
        await exchange("two").run(serving, "resources/read", {"uri": link["uri"]})
    assert caught.value.code == RESOURCE_NOT_FOUND


async def test_a_new_file_changes_the_list_of_its_session_and_a_replaced_one_does_not(serving):
    request = exchange()
    call = {"name": NAME, "arguments": {"data": "data:,hello"}}
    await request.run(serving, "tools/call", call)
    await request.run(serving, "tools/call", call)
    assert [method for method, _ in request.standalone] == ["notifications/resources/list_changed"]


async def test_a_replaced_file_is_an_update_for_a_session_that_subscribed_to_it(serving):
    await make(serving, name="a.gz")
    request = exchange(subscriptions=["session://files/a.gz"])
    for name in ("a.gz", "b.gz", "b.gz"):
        call = {"name": NAME, "arguments": {"data": "data:,other", "name": name}}
        await request.run(serving, "tools/call", call)
    assert request.standalone == [
        ("notifications/resources/updated", {"uri": "session://files/a.gz"}),
        ("notifications/resources/list_changed", None),
    ]


async def test_the_resource_itself_comes_on_request(serving):
    (embedded,) = (await make(serving, outputType="resource"))["content"]
    assert embedded["resource"]["mimeType"] == "application/gzip"
    assert gzip.decompress(base64.b64decode(embedded["resource"]["blob"])) == b"hello"


async def test_equal_data_give_equal_files(serving, sessions):
    first = await make(serving, name="a.gz")
    before = dict(sessions["one"].kept)
    assert await make(serving, name="a.gz") == first
    assert sessions["one"].kept == before


async def test_the_files_of_a_session_are_limited(serving):
    for number in range(MAX_FILES):
        await make(serving, name=f"{number}.gz")
    assert (await make(serving, name="more.gz"))["isError"]
    assert not (await make(serving, name="0.gz")).get("isError")


async def test_without_a_session_the_file_itself_is_returned(serving):
    async with connect(serving, MODERN) as client:
        note, embedded = (await client.call_tool(NAME, {"data": "data:,hello"})).content
    assert "There is no session" in note.text
    assert gzip.decompress(base64.b64decode(embedded.resource.blob)) == b"hello"
