"""Resources that belong to people: from anywhere, see `PersonalResources`, or rows, see `ModelResources`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.db.models.signals import post_delete, post_save, pre_save
from mcp.types import Resource, ResourceTemplate

from mcp_app.notify import Change, announce
from mcp_app.people import find_user, person_of
from mcp_app.protocol.personal import Person, PersonalResources, current_person
from mcp_app.sdk import ResourcesListChanged, ResourceUpdated

__all__ = ["ModelResources", "Person", "PersonalResources", "current_person"]

T = TypeVar("T")

MAX_SUGGESTIONS = 1000
"""How many primary keys, the highest ones, are searched for what a person has typed."""

_FORMER = "_mcp_former_owner"
"""The attribute of a row that holds its previous owner while it is saved."""


class ModelResources(PersonalResources):
    """The rows of a model as resources: `scheme://primary-key`, each for its owner.

    Write a subclass, pass an instance to `Engine.options(resources=[…])`, and call its `connect` in `ready()`
    of your app. Rows are listed, read, subscribed to and completed as `get_queryset` allows; what it does not
    return does not exist. All methods that you override run in a thread, so they may use the database.

    Attributes:
        model: The model. Its primary key is a single column.
        scheme: The scheme of the URIs, such as `order`.
        mime_type: Of all the resources; by default `text/plain`, or `application/octet-stream` for bytes.
    """

    model: type[Model]
    scheme: str
    mime_type: str | None = None

    def get_queryset(self, user: Any) -> QuerySet[Any]:
        """The rows that a user may see. It is filtered, sorted by primary key and cut further."""
        raise self._missing("get_queryset(self, user)")

    def get_owner(self, row: Any) -> Any | None:
        """The user whose list of resources has the row; None if it is in nobody's."""
        raise self._missing("get_owner(self, row)")

    def get_viewers(self, row: Any) -> Iterable[Any]:
        """The users who are told when the row has changed, if they subscribed to it: by default its owner.

        Override it if `get_queryset` returns the row to others as well.
        """
        owner = self.get_owner(row)
        return () if owner is None else (owner,)

    def title(self, row: Any) -> str:
        """The title of a resource in lists."""
        return str(row)

    def text(self, row: Any) -> str | bytes:
        """The content of a resource."""
        raise self._missing("text(self, row)")

    def _missing(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"Write the method {method} in {type(self).__qualname__}.")

    def uri(self, row: Any) -> str:
        """The URI of a row."""
        return self._uri(row.pk)

    def connect(self, sender: type[Model] | None = None) -> None:
        """Announce changes of rows after their commit, by the signals of the model. Call it in `ready()`.

        The row is announced to its viewers who have subscribed to it, the list to its owner alone. A former
        owner is notified as if the row were deleted; to find them, each `save` reads the row once more.

        Signals are not sent by `QuerySet.update`, `bulk_create` and `bulk_update`, nor does this follow
        `loaddata`: call `notify.resource_updated` or `notify.resources_changed` after these.

        Args:
            sender: The class whose signals to connect, such as a proxy model; by default `model`.
        """
        sender = sender or self.model
        pre_save.connect(self.saving, sender=sender, weak=False)
        post_save.connect(self.saved, sender=sender, weak=False)
        post_delete.connect(self.deleted, sender=sender, weak=False)

    def saving(
        self, sender: Any, instance: Any, raw: bool = False, using: str | None = None, **kwargs: Any
    ) -> None:
        """Receiver of `pre_save`: remembers who owns the row before it is saved."""
        if raw or instance.pk is None:
            return
        row = self.model._base_manager.using(using).filter(pk=instance.pk).first()
        instance.__dict__[_FORMER] = None if row is None else self._owner(row)

    def saved(
        self, sender: Any, instance: Any, raw: bool = False, using: str | None = None, **kwargs: Any
    ) -> None:
        """Receiver of `post_save`: announces the row and the list, after the commit."""
        former = instance.__dict__.pop(_FORMER, None)
        if not raw:
            self._announce(instance, former, using)

    def deleted(self, sender: Any, instance: Any, using: str | None = None, **kwargs: Any) -> None:
        """Receiver of `post_delete`: announces the row and the list, after the commit."""
        self._announce(instance, None, using)

    def _announce(self, row: Any, former: str | None, using: str | None) -> None:
        owners = [key for key in (self._owner(row), former) if key is not None]
        viewers = [*_keys(lambda: self.get_viewers(row)), *owners]
        uri = self.uri(row)
        changes: list[Change] = [(ResourceUpdated(uri=uri), key) for key in dict.fromkeys(viewers)]
        changes += [(ResourcesListChanged(), key) for key in dict.fromkeys(owners)]
        if changes:
            announce(changes, using)

    def _owner(self, row: Any) -> str | None:
        """The key of the owner of a row, as a person."""
        owners = _keys(lambda: (owner,) if (owner := self.get_owner(row)) is not None else ())
        return owners[0] if owners else None

    @cached_property
    def template(self) -> ResourceTemplate:  # type: ignore[override]
        return ResourceTemplate(
            uri_template=f"{self.scheme}://{{pk}}",
            name=str(self.model._meta.verbose_name),
            mime_type=self.mime_type,
        )

    def owns(self, uri: str) -> bool:
        return uri.startswith(f"{self.scheme}://")

    async def list(self, person: Person) -> Sequence[tuple[str, Resource]]:
        return await self.page(person, None, sys.maxsize)

    async def page(self, person: Person, after: str | None, most: int) -> Sequence[tuple[str, Resource]]:
        last = None if after is None else self._key(after)
        if after is not None and last is None:
            raise ValueError(f"not a primary key: {after!r}")

        def page(rows: QuerySet[Any]) -> Sequence[tuple[str, Resource]]:
            rows = rows.order_by("pk") if last is None else rows.order_by("pk").filter(pk__gt=last)
            return [(str(row.pk), self._resource(row)) for row in rows[:most]]

        return await self._of(person, page, ())

    async def existing(self, person: Person, uris: Collection[str]) -> Collection[str]:
        named = [key for uri in uris if (key := self._key_in(uri)) is not None]

        def existing(rows: QuerySet[Any]) -> set[str]:
            found = rows.filter(pk__in=named).values_list("pk", flat=True)
            return {self._uri(key) for key in found}.intersection(uris)

        return await self._of(person, existing, set())

    async def read(self, person: Person, uri: str) -> str | bytes | None:
        key = self._key_in(uri)

        def read(rows: QuerySet[Any]) -> str | bytes | None:
            row = rows.filter(pk=key).first()
            # A key may be written in several ways, of which one is the URI: `01` would never be announced.
            return self.text(row) if row is not None and self.uri(row) == uri else None

        return None if key is None else await self._of(person, read, None)

    async def complete(self, person: Person, variable: str, known: Mapping[str, str]) -> Iterable[str]:
        def complete(rows: QuerySet[Any]) -> Iterable[str]:
            keys = rows.order_by("-pk").values_list("pk", flat=True)
            return [str(key) for key in keys[:MAX_SUGGESTIONS]]

        return await self._of(person, complete, ())

    async def _of(self, person: Person, query: Callable[[QuerySet[Any]], T], nothing: T) -> T:
        """What a function returns for the rows of a person, in the thread of the current call."""

        def run() -> T:
            user = find_user(person)
            return nothing if user is None else query(self.get_queryset(user))

        return await sync_to_async(run)()

    def _resource(self, row: Any) -> Resource:
        return Resource(
            uri=self.uri(row),
            name=f"{self.scheme}-{row.pk}",
            title=self.title(row),
            mime_type=self.mime_type,
        )

    def _uri(self, key: Any) -> str:
        return f"{self.scheme}://{quote(str(key), safe='')}"

    def _key_in(self, uri: str) -> Any | None:
        return self._key(unquote(uri.removeprefix(f"{self.scheme}://")))

    def _key(self, text: str) -> Any | None:
        """The primary key that a text from a client means; None if it cannot be one."""
        field: Any = self.model._meta.pk
        while field.remote_field is not None:  # for example, the key of a child model
            field = field.target_field
        try:
            text.encode()  # no unpaired surrogates
            key = field.to_python(text)
            field.run_validators(key)  # such as the range of numbers
        except (ValueError, OverflowError, ValidationError):
            return None
        return None if "\0" in text else key


def _keys(find: Callable[[], Iterable[Any]]) -> Sequence[str]:
    """The keys of users, as persons. Those whose row is gone, or who are nobody to clients, have none."""
    try:
        people = [person_of(user) for user in find()]
    except ObjectDoesNotExist:
        return ()
    return [person.key for person in people if person is not None]
