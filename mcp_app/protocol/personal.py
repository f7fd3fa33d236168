"""Per-person resources, such as notes or the files of a session.

The SDK lists and reads the same resources for everybody. Providers add per-person ones, wherever resources
are listed, read, subscribed to, listened for or completed.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from operator import itemgetter

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.types import Resource, ResourceTemplate

from mcp_app.protocol.context import RequestContext
from mcp_app.protocol.session_features import SessionState, StoredValues, find_session

values_of: ContextVar[Callable[[str], StoredValues]] = ContextVar("values_of")
"""Finds the data of a person by their key; set wherever code of a server runs."""


@dataclass(frozen=True)
class Person:
    """Who makes a request: a subject of an issuer.

    Subjects are unique per issuer. Both are empty if nobody is signed in.

    Attributes:
        issuer: Who issued the token.
        subject: The person, as the issuer names them.
        session: The session of the request; None at 2026-07-28.
    """

    issuer: str = ""
    subject: str = ""
    session: SessionState | None = field(default=None, compare=False)

    @property
    def is_signed_in(self) -> bool:
        """Whether it is a person at all: not nobody, and not a client that acts for nobody."""
        return bool(self.subject)

    @property
    def key(self) -> str:
        """Identifies the person in Redis and in messages between processes: a checksum."""
        return hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()

    @property
    def data(self) -> StoredValues:
        """Values kept for the person, up to `MCP_PERSON_DATA_BYTES`, over all their sessions and clients.

        All are kept for `MCP_PERSON_DATA_SECONDS` after one was last set. It can be used wherever a server's
        code runs: in handlers, tasks, and the background work of extensions.

        Raises:
            ValueError: Nobody is signed in, so it would be the data of everybody who is not.
        """
        if not self.is_signed_in:
            raise ValueError("nobody is signed in, and data is kept for people only")
        return values_of.get()(self.key)


def person_key(owner: str) -> str:
    """The key under which limits are counted: that of a person, over all their clients.

    Args:
        owner: Client, issuer and subject, as a session record has them; empty if nobody is signed in. A
            client that acts for no person counts as one.
    """
    _, issuer, subject = json.loads(owner) if owner else ("", None, None)
    if subject is None:
        return hashlib.sha256(owner.encode()).hexdigest()
    return Person(issuer or "", subject).key


def current_person(session: SessionState | None = None) -> Person:
    """Who made the current request, also within the tasks that it started."""
    token = get_access_token()
    if token is None or token.subject is None:
        return Person(session=session)
    _, issuer, subject = principal_components(token)
    return Person(issuer or "", subject or "", session)


def requesting_person(ctx: RequestContext) -> Person:
    """Who made this request, and in which session."""
    return current_person(find_session(ctx))


class PersonalResources:
    """Base class of a provider. Give it to `Engine.options(resources=[…])`.

    Attributes:
        template: The template of all its URIs, listed by `resources/templates/list`. Its MIME type applies to
            all its resources.
    """

    template: ResourceTemplate

    def owns(self, uri: str) -> bool:
        """Whether this provider is responsible for a URI, whether or not the resource exists."""
        raise NotImplementedError

    async def list(self, person: Person) -> Sequence[tuple[str, Resource]]:
        """The resources of a person, each with a key, sorted by key.

        Cursors contain keys, so a resource must keep its key while others come and go.
        """
        raise NotImplementedError

    async def page(self, person: Person, after: str | None, most: int) -> Sequence[tuple[str, Resource]]:
        """Part of the resources, by default of what `list` returns. Override it if a person may have many.

        Args:
            person: Whose resources.
            after: The key after which it starts; None for the beginning. The resource may be gone.
            most: How many to return at most.

        Raises:
            ValueError: `after` cannot be a key. It comes from the client, in a cursor.
        """
        found = await self.list(person)
        start = 0 if after is None else bisect_right(found, after, key=itemgetter(0))
        return found[start : start + most]

    async def existing(self, person: Person, uris: Collection[str]) -> Collection[str]:
        """Those of the URIs for which the person has a resource. All are of this provider.

        This looks for them in `list`. Override it where a person may have many.
        """
        found = {resource.uri for _, resource in await self.list(person)}
        return found.intersection(uris)

    async def read(self, person: Person, uri: str) -> str | bytes | None:
        """The content of a resource; None if the person has no such resource."""
        raise NotImplementedError

    async def complete(self, person: Person, variable: str, known: Mapping[str, str]) -> Iterable[str]:
        """Suggested values for a variable of the template.

        Args:
            person: Who is typing.
            variable: The variable.
            known: The values of variables that are already filled in.
        """
        return ()


def provider_of(uri: str, providers: Iterable[PersonalResources]) -> PersonalResources | None:
    """The provider that is responsible for a URI, if any."""
    return next((provider for provider in providers if provider.owns(uri)), None)
