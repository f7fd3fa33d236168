"""Notes: dynamic resources. Tools create, edit and delete them, and each belongs to one user.

The URI of a note has a part that only its user knows, and every request for a note is checked against the
user: reading, subscribing, listening, completing. Only the user's own sessions and streams are notified of
changes of the list.
"""

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mcp.server import ServerRequestContext
from mcp.types import Annotations, Resource, ResourceTemplate

from everything_site.demo.images import icons
from mcp_app.resources import Person, PersonalResources

SCHEME = "note://"
TEMPLATE = SCHEME + "{space}/{id}"
MIME_TYPE = "text/markdown"

_KEY = re.compile(r"0[0-9]{19}")
"""The key of a note in a list: its number, as wide as any that a database has."""

RequestContext = ServerRequestContext[Any, Any]


@dataclass(frozen=True)
class Note:
    """One note; a user's notes are numbered in the order of their creation."""

    number: int
    id: str
    title: str
    text: str
    updated: datetime


@dataclass(frozen=True)
class ListedNote:
    """What lists show of a note: everything but its text, and the size of that in bytes."""

    number: int
    id: str
    title: str
    size: int
    updated: datetime


class TooManyNotes(Exception):
    """The user has the maximum number of notes."""


class NoteStore(Protocol):
    """Storage for notes."""

    def space(self, person: Person) -> str:
        """The unguessable part of the URIs of a user's notes, in lower case."""

    async def page(self, person: Person, after: int | None, most: int) -> Sequence[ListedNote]:
        """The notes of a user, oldest first: at most `most`, after the note numbered `after` if given."""

    async def ids(self, person: Person) -> Sequence[str]:
        """The ids of all notes of a user, oldest first."""

    async def get(self, person: Person, note_id: str) -> Note | None: ...

    async def create(self, person: Person, title: str, text: str) -> Note:
        """Create a note.

        Raises:
            TooManyNotes: The user has the maximum number.
        """

    async def edit(self, person: Person, note_id: str, title: str | None, text: str | None) -> Note | None:
        """Change what is not None. Returns the changed note, or None if it does not exist."""

    async def delete(self, person: Person, note_id: str) -> bool: ...


class Notes(PersonalResources):
    """The notes as resources. The tools that change them are in `tools.notes`."""

    template = ResourceTemplate(
        uri_template=TEMPLATE,
        name="Note",
        title="Your note",
        description="A note of the signed-in user; created by create-note",
        mime_type=MIME_TYPE,
        icons=icons(),
    )

    def __init__(self, store: NoteStore) -> None:
        self.store = store

    def uri_of(self, person: Person, note_id: str) -> str:
        return f"{SCHEME}{self.store.space(person)}/{note_id}"

    def id_of(self, person: Person, named: str) -> str:
        """The id of a note given by id or URI. URIs of other users stay as they are, and match no note."""
        return named.removeprefix(self.uri_of(person, ""))

    def owns(self, uri: str) -> bool:
        return uri.startswith(SCHEME)

    async def list(self, person: Person) -> Sequence[tuple[str, Resource]]:
        """Sorted by creation."""
        return await self.page(person, None, sys.maxsize)

    async def page(self, person: Person, after: str | None, most: int) -> Sequence[tuple[str, Resource]]:
        if after is not None and not _KEY.fullmatch(after):
            raise ValueError(f"not a number: {after!r}")
        if not person.is_signed_in:
            return []
        notes = await self.store.page(person, None if after is None else int(after), most)
        return [(f"{note.number:020}", self._resource(person, note)) for note in notes]

    async def existing(self, person: Person, uris: Collection[str]) -> Collection[str]:
        if not person.is_signed_in:
            return ()
        return {self.uri_of(person, note_id) for note_id in await self.store.ids(person)}.intersection(uris)

    def _resource(self, person: Person, note: ListedNote) -> Resource:
        return Resource(
            uri=self.uri_of(person, note.id),
            name=f"note-{note.id}",
            title=note.title,
            description=f"Your note '{note.title}'",
            mime_type=MIME_TYPE,
            size=note.size,
            icons=icons(),
            annotations=Annotations(audience=["user", "assistant"], last_modified=note.updated.isoformat()),
        )

    async def read(self, person: Person, uri: str) -> str | None:
        if not person.is_signed_in or not uri.startswith(own := self.uri_of(person, "")):
            return None
        note = await self.store.get(person, uri.removeprefix(own))
        return None if note is None else note.text

    async def complete(self, person: Person, variable: str, known: Mapping[str, str]) -> Sequence[str]:
        """The user's own space and notes."""
        if not person.is_signed_in:
            return []
        space = self.store.space(person)
        if variable == "space":
            return [space]
        if variable != "id" or known.get("space", space) != space:
            return []
        return await self.store.ids(person)
