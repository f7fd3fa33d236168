"""Notes: resources that live. Tools create, edit and delete them, and each belongs to one user.

The URI of a note holds a part that only its user can know, and every request for a note is held against the
requester: reading, subscribing, listening, completing. A change of the list is announced to the
user's own sessions and streams alone.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types import Annotations, Resource
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from everything_site.demo.images import icon
from mcp_app.protocol.listen import Send, beside
from mcp_app.protocol.session_features import find_session
from mcp_app.sdk import CallNext, HandlerResult

SCHEME = "note://"
TEMPLATE = SCHEME + "{space}/{id}"
MIME_TYPE = "text/markdown"

RequestContext = ServerRequestContext[Any, Any]


@dataclass(frozen=True)
class User:
    """Whose notes these are: a subject, and who vouches for it. A subject is unique for its issuer only."""

    issuer: str
    subject: str


@dataclass(frozen=True)
class Note:
    """One note; of two notes of a user the later one has the higher number."""

    number: int
    id: str
    title: str
    text: str
    updated: datetime


class TooManyNotes(Exception):
    """The user has as many notes as a user may have."""


class Changes(Protocol):
    """Signals that the user's list has changed, in whichever process."""

    def clear(self) -> None: ...

    async def wait(self) -> Any: ...


class NoteStore(Protocol):
    """Where notes are kept, and how their users hear of them."""

    def space(self, user: User) -> str:
        """The part of the URIs of a user's notes that nobody else can guess: a lower-case word."""

    async def list(self, user: User) -> Sequence[Note]:
        """All notes of a user, the oldest first."""

    async def get(self, user: User, note_id: str) -> Note | None: ...

    async def create(self, user: User, title: str, text: str) -> Note:
        """A new note.

        Raises:
            TooManyNotes: The user may have no more.
        """

    async def edit(self, user: User, note_id: str, title: str | None, text: str | None) -> Note | None:
        """Change what is given; the note as it is then, or None when there is none."""

    async def delete(self, user: User, note_id: str) -> bool: ...

    async def announce(self, user: User) -> None:
        """Tell the user's sessions and listen streams, in all processes, that the list has changed."""

    async def remember(self, user: User, session_id: str) -> None:
        """A session of the user has read the list: it is to hear when the list changes."""

    def watch(self, user: User) -> AbstractContextManager[Changes]:
        """The changes of the user's list, from now on."""


def current_user() -> User | None:
    """Who makes this request; None when nobody signed in."""
    token = get_access_token()
    if token is None or token.subject is None:
        return None
    _, issuer, subject = principal_components(token)
    return User(issuer or "", subject or "")


class Notes:
    """The notes as resources."""

    def __init__(self, store: NoteStore) -> None:
        self.store = store

    def uri_of(self, user: User, note_id: str) -> str:
        return f"{SCHEME}{self.store.space(user)}/{note_id}"

    def id_of(self, user: User, named: str) -> str:
        """The id of a note that is named by its id or its URI; the URI of somebody else's is no id at all."""
        return named.removeprefix(self.uri_of(user, ""))

    async def listed(self, ctx: RequestContext) -> list[tuple[str, Resource]]:
        """The current user's notes, for `resources/list`, in the order in which they were made."""
        user = current_user()
        if user is None:
            return []
        session = find_session(ctx)
        if session is not None:
            await self.store.remember(user, session.record.id)
        return [(f"{note.number:020}", self._resource(user, note)) for note in await self.store.list(user)]

    def _resource(self, user: User, note: Note) -> Resource:
        return Resource(
            uri=self.uri_of(user, note.id),
            name=f"note-{note.id}",
            title=note.title,
            description=f"Your note '{note.title}'",
            mime_type=MIME_TYPE,
            size=len(note.text.encode()),
            icons=[icon()],
            annotations=Annotations(audience=["user", "assistant"], last_modified=note.updated.isoformat()),
        )

    async def read(self, space: str, id: str, ctx: Context) -> str:
        """A note's text. Somebody else's note is not found."""
        user = current_user()
        note = None
        if user is not None and space == self.store.space(user):
            note = await self.store.get(user, id)
        if note is None:
            raise ResourceNotFoundError(f"Unknown resource: {SCHEME}{space}/{id}")
        return note.text

    async def suggest(self, ctx: RequestContext, argument: str, known: Mapping[str, str]) -> Sequence[str]:
        """Values for the template's variables: the user's own space, and the notes in it."""
        user = current_user()
        if user is None:
            return []
        space = self.store.space(user)
        if argument == "space":
            return [space]
        if argument != "id" or known.get("space", space) != space:
            return []
        return [note.id for note in await self.store.list(user)]

    async def listen(self, ctx: RequestContext, call_next: CallNext) -> HandlerResult:
        """A middleware for `subscriptions/listen`: the user's own list is followed.

        The SDK's `ResourcesListChanged` goes to everybody who asked for it. A user's notes are nobody
        else's business, so the change of that list does not go over the bus.
        """
        wanted = (ctx.params or {}).get("notifications")
        if (
            ctx.method != "subscriptions/listen"
            or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS
            or not isinstance(wanted, Mapping)
        ):
            return await call_next(ctx)
        user = current_user()
        if user is None or wanted.get("resourcesListChanged") is not True:
            return await call_next(ctx)
        with self.store.watch(user) as changes:

            async def follow(send: Send) -> None:
                while True:
                    await changes.wait()
                    changes.clear()
                    await send("notifications/resources/list_changed", {})

            async with beside(ctx, {}, follow) as inner:
                return await call_next(inner)


def register(server: MCPServer, store: NoteStore) -> Notes:
    """Serve the notes of `store` as resources. The tools that change them are in `tools.notes`."""
    notes = Notes(store)
    server.resource(
        TEMPLATE,
        name="Note",
        title="Your note",
        description="A note of the person who is signed in; create-note makes one",
        mime_type=MIME_TYPE,
        icons=[icon()],
    )(notes.read)
    server.middleware.append(notes.listen)
    return notes
