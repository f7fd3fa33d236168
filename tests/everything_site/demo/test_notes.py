"""Notes: resources that tools change, visible only to their user."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CompletionContext, ResourceTemplateReference

from everything_site.demo.notes import TEMPLATE, ListedNote, Note, TooManyNotes
from mcp_app.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_app.protocol.personal_bus import PersonalBus
from mcp_app.resources import Person

from .support import LEGACY, MODERN, WAIT, Exchange, Values, build_server, connect, texts

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Store:
    """Notes in memory."""

    def __init__(self):
        self.notes = {}

    def space(self, user):
        return f"space{user.subject}"

    async def page(self, user, after, most):
        own = self.notes.get(user, {}).values()
        later = [note for note in own if after is None or note.number > after]
        return [
            ListedNote(note.number, note.id, note.title, len(note.text.encode()), note.updated)
            for note in later[:most]
        ]

    async def ids(self, user):
        return list(self.notes.get(user, {}))

    async def get(self, user, note_id):
        return self.notes.get(user, {}).get(note_id)

    async def create(self, user, title, text):
        own = self.notes.setdefault(user, {})
        if len(own) >= 3:
            raise TooManyNotes("3 are allowed")
        note = own[f"n{len(own) + 1}"] = Note(len(own) + 1, f"n{len(own) + 1}", title, text, NOW)
        return note

    async def edit(self, user, note_id, title, text):
        note = await self.get(user, note_id)
        if note is None:
            return None
        changed = {name: value for name, value in (("title", title), ("text", text)) if value is not None}
        self.notes[user][note_id] = replace(note, **changed)
        return self.notes[user][note_id]

    async def delete(self, user, note_id):
        return self.notes.get(user, {}).pop(note_id, None) is not None


class Told(PersonalBus):
    """A bus that records who was notified of a change of their list."""

    def __init__(self):
        super().__init__()
        self.people = []
        self.updates = []

    async def publish(self, event, person=None):
        if isinstance(event, ResourceUpdated):
            self.updates.append((event.uri, person))
        if isinstance(event, ResourcesListChanged):
            self.people.append(person)
        await super().publish(event, person)


@contextmanager
def signed_in(person, *scopes):
    token = AccessToken(
        token="t", client_id="c", scopes=list(scopes), subject=person, claims={"iss": "https://as"}
    )
    context = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(context)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def server(store, told):
    return build_server(note_store=store, subscriptions=told)


async def listed(client):
    found, cursor = [], None
    while True:
        page = await client.list_resources(cursor=cursor)
        found += page.resources
        cursor = page.next_cursor
        if cursor is None:
            return [resource for resource in found if resource.uri.startswith("note:")]


async def create(client, title="Tea", text="Buy *tea*"):
    _, link = (await client.call_tool("create-note", {"title": title, "text": text})).content
    return link


async def test_a_note_is_listed_read_changed_and_deleted(server, era):
    with signed_in("alice"):
        async with connect(server, era) as client:
            link = await create(client)
            (resource,) = await listed(client)
            assert resource.uri == link.uri == "note://spacealice/n1"
            assert (resource.title, resource.mime_type, resource.size) == ("Tea", "text/markdown", 9)
            assert resource.annotations.last_modified == NOW.isoformat()
            (contents,) = (await client.read_resource(link.uri)).contents
            assert (contents.text, contents.mime_type) == ("Buy *tea*", "text/markdown")
            await client.call_tool("edit-note", {"noteId": "n1", "text": "Bought"})
            (contents,) = (await client.read_resource(link.uri)).contents
            assert contents.text == "Bought"
            await client.call_tool("edit-note", {"noteId": "n1", "title": "Coffee"})
            assert [resource.title for resource in await listed(client)] == ["Coffee"]
            assert not (await client.call_tool("delete-note", {"noteId": "n1"})).is_error
            assert await listed(client) == []


async def test_notes_and_lists_of_notes_are_not_cacheable(server):
    with signed_in("alice"):
        async with connect(server, MODERN) as client:
            link = await create(client)
            assert (await client.list_resources()).ttl_ms == 0
            assert (await client.read_resource(link.uri)).ttl_ms == 0
            assert (await client.read_resource("test://static/resource/1")).ttl_ms > 0


async def test_notes_come_last_in_the_list(server):
    with signed_in("alice"):
        async with connect(server, MODERN) as client:
            await create(client)
            last, cursor = None, None
            while True:
                page = await client.list_resources(cursor=cursor)
                last, cursor = page.resources[-1], page.next_cursor
                if cursor is None:
                    break
    assert last.uri.startswith("note:")


async def test_only_the_sessions_of_the_user_are_looked_at_when_a_note_changes(server, told):
    with signed_in("alice"):
        async with connect(server, MODERN) as client:
            link = await create(client)
            await client.call_tool("edit-note", {"noteId": "n1", "text": "x"})
            await client.call_tool("delete-note", {"noteId": "n1"})
    assert told.updates == [(link.uri, Person("https://as", "alice").key)] * 2


@pytest.mark.parametrize(("mode", "code"), [(LEGACY, RESOURCE_NOT_FOUND), (MODERN, INVALID_PARAMS)])
async def test_nobody_else_sees_a_note(server, mode, code):
    with signed_in("alice"):
        async with connect(server, mode) as client:
            link = await create(client)
    with signed_in("mallory"):
        async with connect(server, mode) as client:
            assert await listed(client) == []
            with pytest.raises(MCPError) as caught:
                await client.read_resource(link.uri)
            assert caught.value.code == code
            for name in ("edit-note", "delete-note"):
                result = await client.call_tool(name, {"noteId": "n1", "text": "mine"})
                assert result.is_error or name == "delete-note"
                assert "no note n1" in texts(result)[0]
    with signed_in("alice"):
        async with connect(server, mode) as client:
            (contents,) = (await client.read_resource(link.uri)).contents
    assert contents.text == "Buy *tea*"


async def test_nobody_else_can_subscribe_to_a_note(server):
    session = SimpleNamespace(
        uris=[], data=Values(), record=SimpleNamespace(id="s", subscriptions=frozenset())
    )

    async def subscribe(uri):
        session.uris.append(uri)

    session.subscribe = subscribe
    request = SimpleNamespace(session=session, headers={})
    with signed_in("mallory"):
        for uri in ("note://spacealice/n1", "NOTE://spacealice/n1", "note://spacemallory2/n1"):
            with pytest.raises(MCPError) as caught:
                await Exchange(request=request).run(server, "resources/subscribe", {"uri": uri})
            assert caught.value.code == RESOURCE_NOT_FOUND
    with signed_in("alice"):
        async with connect(server, LEGACY) as client:
            await create(client)
        await Exchange(request=request).run(server, "resources/subscribe", {"uri": "note://spacealice/n1"})
    assert session.uris == ["note://spacealice/n1"]


async def test_only_the_user_is_notified_of_the_list(server, told):
    with signed_in("alice"):
        async with connect(server, LEGACY) as client:
            await create(client)
            await client.call_tool("edit-note", {"noteId": "n1", "text": "x"})
            assert len(told.people) == 1  # a text is not in the list
            await client.call_tool("edit-note", {"noteId": "n1", "title": "x"})
            await client.call_tool("delete-note", {"noteId": "n1"})
            await client.call_tool("delete-note", {"noteId": "n1"})
    assert told.people == [Person("https://as", "alice").key] * 3


async def test_a_listen_stream_is_notified_only_of_its_own_users_notes(server):
    async with asyncio.timeout(WAIT):
        with signed_in("alice"):
            async with connect(server, MODERN) as client:
                link = await create(client)
                wanted = ["note://spacemallory/n1", link.uri]
                async with client.listen(
                    resources_list_changed=True, resource_subscriptions=wanted
                ) as stream:
                    assert stream.honored.resource_subscriptions == [link.uri]
                    with signed_in("mallory"):
                        async with connect(server, MODERN) as other:
                            await create(other)
                            await other.call_tool("edit-note", {"noteId": "n1", "text": "x"})
                    await client.call_tool("edit-note", {"noteId": "n1", "text": "y"})
                    first = await anext(stream)
                    await create(client)
                    second = await anext(stream)
    assert type(first).__name__ == "ResourceUpdated"
    assert first.uri == link.uri
    assert type(second).__name__ == "ResourcesListChanged"


async def test_the_notes_of_a_user_are_limited(server, era):
    with signed_in("alice"):
        async with connect(server, era) as client:
            for _ in range(3):
                await create(client)
            result = await client.call_tool("create-note", {"title": "more", "text": ""})
    assert result.is_error
    assert "too many notes" in texts(result)[0]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create-note", {}),
        ("create-note", {"title": "", "text": "x"}),
        ("create-note", {"title": "x" * 201, "text": "x"}),
        ("create-note", {"title": "x", "text": "x" * 20_001}),
        ("create-note", {"title": "x\0", "text": "x"}),
        ("create-note", {"title": "x", "text": "\0"}),
        ("draft-note", {"title": "\0", "secondsPerLine": 0}),
        ("edit-note", {}),
        ("edit-note", {"noteId": "nope"}),
        ("edit-note", {"noteId": "nope", "text": None}),
        ("delete-note", {"noteId": "nope"}),
        ("delete-note", {"noteId": ""}),
        ("delete-note", {"noteId": "note://spacealice/"}),
    ],
)
async def test_bad_arguments_are_a_failure_that_the_model_can_read(server, era, name, arguments):
    with signed_in("alice"):
        async with connect(server, era) as client:
            assert (await client.call_tool(name, arguments)).is_error


@pytest.mark.parametrize("arguments", [{"noteId": "n1\0"}, {"title": "\0"}, {"text": "x\0"}])
async def test_values_that_no_database_stores_are_refused(server, store, era, arguments):
    with signed_in("alice"):
        async with connect(server, era) as client:
            await create(client, "Tea", "Buy")
            assert (await client.call_tool("edit-note", {"noteId": "n1", **arguments})).is_error
    ((note,),) = (own.values() for own in store.notes.values())
    assert (note.title, note.text) == ("Tea", "Buy")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("create-note", {"title": "x\0", "text": "x"}, "`title` must not contain the character U+0000"),
        ("create-note", {"title": "x", "text": "\0"}, "`text` must not contain the character U+0000"),
        ("delete-note", {"noteId": "n1\0"}, "`noteId` must not contain the character U+0000"),
        ("delete-note", {"noteId": ""}, "`noteId` must have at least 1 character"),
        ("edit-note", {"noteId": "", "text": "x"}, "`noteId` must have at least 1 character"),
        ("edit-note", {"noteId": "n1"}, "nothing to change"),
    ],
)
async def test_an_invalid_argument_is_explained(server, store, era, name, arguments, said):
    with signed_in("alice"):
        async with connect(server, era) as client:
            await create(client)
            result = await client.call_tool(name, arguments)
    assert result.is_error
    assert said in texts(result)[0]
    assert len(store.notes[Person("https://as", "alice")]) == 1


async def test_a_note_can_be_named_by_its_uri(server, store, era):
    with signed_in("alice"):
        async with connect(server, era) as client:
            link = await create(client)
            assert not (await client.call_tool("edit-note", {"noteId": link.uri, "text": "New"})).is_error
            assert (await client.read_resource(link.uri)).contents[0].text == "New"
    with signed_in("mallory"):
        async with connect(server, era) as client:
            await create(client)
            for name, more in (("edit-note", {"text": "mine"}), ("delete-note", {})):
                result = await client.call_tool(name, {"noteId": link.uri, **more})
                assert result.is_error
                assert f"no note {link.uri}" in texts(result)[0]
    with signed_in("alice"):
        async with connect(server, era) as client:
            assert "Deleted note n1" in texts(await client.call_tool("delete-note", {"noteId": link.uri}))[0]
            assert await listed(client) == []


@pytest.mark.parametrize("words", ["null", "[1]", '{"a": 1}', "true", "7", '"quoted"'])
async def test_a_text_that_looks_like_json_is_stored_unchanged(server, store, era, words):
    with signed_in("alice"):
        async with connect(server, era) as client:
            await create(client, words, words)
            await create(client)
            result = await client.call_tool("edit-note", {"noteId": "n2", "title": words, "text": words})
    assert not result.is_error
    ((one, other),) = (own.values() for own in store.notes.values())
    assert (one.title, one.text) == (other.title, other.text) == (words, words)


async def test_a_note_is_drafted_line_by_line_and_then_saved(server, era):
    heard = []

    async def on_progress(progress, total, message):
        heard.append(message)

    arguments = {"title": "Tea", "secondsPerLine": 0}
    with signed_in("alice"):
        async with connect(server, era) as client:
            result = await client.call_tool("draft-note", arguments, progress_callback=on_progress)
            assert texts(result)[0] == "Drafted note n1."
            (contents,) = (await client.read_resource("note://spacealice/n1")).contents
            assert contents.text.splitlines() == [f"Line {n} about Tea." for n in (1, 2, 3)]
    assert heard == [f"Drafted line {n} of 3" for n in (1, 2, 3)]


async def test_without_a_user_there_are_no_notes(server, era):
    async with connect(server, era) as client:
        result = await client.call_tool("create-note", {"title": "x", "text": "x"})
        assert "no user is signed in" in texts(result)[0]
        assert await listed(client) == []
        with pytest.raises(MCPError):
            await client.read_resource("note://spacealice/n1")


async def test_the_templates_variables_are_completed_from_the_users_own_notes(server, era):
    ref = ResourceTemplateReference(type="ref/resource", uri=TEMPLATE)

    async def complete(client, name, value, **known):
        context = CompletionContext(arguments=known) if known else None
        arguments = context.arguments if context else None
        result = await client.complete(ref, {"name": name, "value": value}, context_arguments=arguments)
        return result.completion.values

    with signed_in("alice"):
        async with connect(server, era) as client:
            await create(client)
            assert await complete(client, "space", "") == ["spacealice"]
            assert await complete(client, "id", "n") == ["n1"]
            assert await complete(client, "id", "", space="spacealice") == ["n1"]
            assert await complete(client, "id", "", space="spacemallory") == []
    with signed_in("mallory"):
        async with connect(server, era) as client:
            assert await complete(client, "id", "") == []


async def test_what_a_tool_does_to_notes_is_announced_in_its_annotations(server):
    tools = {tool.name: tool.annotations for tool in await server.list_tools()}
    assert not tools["create-note"].idempotent_hint
    assert not tools["draft-note"].idempotent_hint
    assert not tools["create-note"].destructive_hint
    assert tools["edit-note"].idempotent_hint
    assert tools["delete-note"].destructive_hint
    assert not any(
        tools[name].read_only_hint for name in ("create-note", "draft-note", "edit-note", "delete-note")
    )


async def test_each_remaining_note_is_on_one_page_while_others_are_deleted(store, server):
    user = Person("https://as", "alice")
    store.notes[user] = {f"n{number}": Note(number, f"n{number}", "t", "x", NOW) for number in range(30)}
    with signed_in("alice"):
        async with connect(server, MODERN) as client:
            found, cursor = [], None
            while True:
                read = await client.list_resources(cursor=cursor, cache_mode="bypass")
                notes = [resource.name for resource in read.resources if resource.uri.startswith("note:")]
                found += notes
                if notes:  # the first of the page, and the one that the cursor names
                    for name in {notes[0], notes[-1]}:
                        del store.notes[user][name.removeprefix("note-")]
                cursor = read.next_cursor
                if cursor is None:
                    break
    assert found == [f"note-n{number}" for number in range(30)]
