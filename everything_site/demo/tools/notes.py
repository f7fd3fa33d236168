"""Tools that create, edit and delete the notes of the signed-in user (see `..notes`)."""

from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ResourceLink, ToolAnnotations
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from everything_site.demo.notes import MIME_TYPE, Note, Notes, TooManyNotes
from everything_site.demo.tools.basics import Number
from everything_site.demo.tools.results import text_result
from mcp_app.extensions.tasks.support import TaskSupport
from mcp_app.resources import Person, current_person
from mcp_app.server import Engine

MAX_TITLE = 200
MAX_TEXT = 20_000
DRAFT_LINES = 3
MAX_LINE_SECONDS = 60

SUPPORT = {"draft-note": TaskSupport()}
"""The tool that can become a task. It is not idempotent: each run creates a note."""


STORABLE = r"^[^\x00]*$"  # U+0000 is the only character that PostgreSQL cannot store


def _without_null(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("null_character", "must not contain the character U+0000")
    return value


# Last in an annotation: a readable error for what the pattern excludes.
NO_NULL = BeforeValidator(_without_null)

Title = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TITLE, pattern=STORABLE, description="Title of the note"),
    NO_NULL,
]
Text = Annotated[
    str, Field(max_length=MAX_TEXT, pattern=STORABLE, description="Text of the note, in Markdown"), NO_NULL
]
NoteId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=STORABLE,
        title="Note ID",
        description="ID of the note: its URI, or the last part of that",
    ),
    NO_NULL,
]

UNCHANGED: Any = None
"""The default of optional parameters of an edit. With the type `str | None` the SDK would parse values that
look like JSON, as a note may; it does not if the type is `str`."""


def _without_default(schema: dict[str, Any]) -> None:
    """The schema of a parameter that may be absent, but not null."""
    schema.pop("default", None)


class SavedNote(BaseModel):
    """A note as it is now."""

    model_config = ConfigDict(title="Note")

    id: str = Field(title="ID", description="The ID of the note")
    uri: str = Field(title="URI", description="The resource by which it is read")
    title: str = Field(description="The title")


class DeletedNote(BaseModel):
    """A note that is gone."""

    model_config = ConfigDict(title="Deleted note")

    id: str = Field(title="ID", description="The ID that the note had")


NoteResult = Annotated[CallToolResult, SavedNote]


def _person() -> Person:
    person = current_person()
    if not person.is_signed_in:
        raise ToolError("notes belong to a user, and no user is signed in")
    return person


class NoteTools:
    """The tools."""

    def __init__(self, notes: Notes, engine: Engine) -> None:
        self._notes = notes
        self._engine = engine
        self._store = notes.store

    async def create_note(self, title: Title, text: Text) -> NoteResult:
        person = _person()
        note = await self._create(person, title, text)
        return self._result("Created", person, note)

    async def draft_note(
        self,
        ctx: Context,
        title: Title,
        secondsPerLine: Annotated[
            Number,
            Field(
                ge=0,
                le=MAX_LINE_SECONDS,
                title="Seconds per line",
                description="How long each of the three lines takes",
            ),
        ] = 1,
    ) -> NoteResult:
        person = _person()
        lines: list[str] = []
        while len(lines) < DRAFT_LINES:
            await anyio.sleep(secondsPerLine)
            lines.append(f"Line {len(lines) + 1} about {title}.")
            await ctx.report_progress(len(lines), DRAFT_LINES, f"Drafted line {len(lines)} of {DRAFT_LINES}")
        note = await self._create(person, title, "\n".join(lines))
        return self._result("Drafted", person, note)

    async def edit_note(
        self,
        noteId: NoteId,
        text: Annotated[
            Text,
            Field(
                description="The new text; omit to keep the current one", json_schema_extra=_without_default
            ),
        ] = UNCHANGED,
        title: Annotated[
            Title,
            Field(
                description="The new title; omit to keep the current one", json_schema_extra=_without_default
            ),
        ] = UNCHANGED,
    ) -> NoteResult:
        person = _person()
        if text is None and title is None:
            raise ToolError("nothing to change: pass a text, a title or both")
        note = await self._store.edit(person, self._notes.id_of(person, noteId), title, text)
        if note is None:
            raise ToolError(f"you have no note {noteId}")
        await self._engine.resource_updated(self._notes.uri_of(person, note.id), person)
        if title is not None:
            await self._engine.resources_changed(person)  # the list shows titles
        return self._result("Changed", person, note)

    async def delete_note(self, noteId: NoteId) -> Annotated[CallToolResult, DeletedNote]:
        person = _person()
        note_id = self._notes.id_of(person, noteId)
        if not await self._store.delete(person, note_id):
            raise ToolError(f"you have no note {noteId}")
        await self._engine.resources_changed(person)
        # Subscribers to this note learn that it is gone when they read it.
        await self._engine.resource_updated(self._notes.uri_of(person, note_id), person)
        return text_result(f"Deleted note {note_id}.", DeletedNote(id=note_id))

    async def _create(self, person: Person, title: str, text: str) -> Note:
        try:
            note = await self._store.create(person, title, text)
        except TooManyNotes as error:
            raise ToolError(f"too many notes; delete some first ({error})") from error
        await self._engine.resources_changed(person)
        return note

    def _result(self, done: str, person: Person, note: Note) -> CallToolResult:
        uri = self._notes.uri_of(person, note.id)
        link = ResourceLink(
            type="resource_link", uri=uri, name=f"note-{note.id}", title=note.title, mime_type=MIME_TYPE
        )
        return text_result(f"{done} note {note.id}.", SavedNote(id=note.id, uri=uri, title=note.title), link)


def _hints(*, destructive: bool, idempotent: bool) -> ToolAnnotations:
    return ToolAnnotations(
        read_only_hint=False, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
    )


def register(server: MCPServer, notes: Notes, engine: Engine) -> None:
    tools = NoteTools(notes, engine)
    server.add_tool(
        tools.create_note,
        name="create-note",
        title="Create a note",
        description="Saves a note for the signed-in user, as a resource that only they can read",
        annotations=_hints(destructive=False, idempotent=False),
    )
    server.add_tool(
        tools.draft_note,
        name="draft-note",
        title="Draft a note",
        description="Writes a note line by line and saves it; runs as a task if the client supports tasks",
        annotations=_hints(destructive=False, idempotent=False),
    )
    server.add_tool(
        tools.edit_note,
        name="edit-note",
        title="Edit a note",
        description="Changes the text or title of a note and notifies its subscribers",
        annotations=_hints(destructive=True, idempotent=True),
    )
    server.add_tool(
        tools.delete_note,
        name="delete-note",
        title="Delete a note",
        description="Deletes a note permanently",
        # A second call deletes nothing more; it only fails.
        annotations=_hints(destructive=True, idempotent=True),
    )
