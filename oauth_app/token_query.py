"""The query that looks up access tokens, compiled once: compiling costs several times what running does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections

from oauth_app.models import AccessToken

AT_ONCE = 64
"""The maximum number of tokens that one query looks up."""


class Found(NamedTuple):
    """What is known of a token."""

    token_checksum: str
    client_id: str
    client_name: str
    scope: str
    expires: Any
    resource: Any
    user_id: Any
    username: Any
    family: Any


class TokenQuery:
    """Finds tokens by their checksums, of active users and enabled clients. They may have expired.

    Args:
        count: How many it can look up. One query is compiled for each number.
    """

    def __init__(self, count: int) -> None:
        self._checksums = [f"checksum {number}" for number in range(count)]
        columns = (
            "token_checksum",
            "application__client_id",
            "application__name",
            "scope",
            "expires",
            "resource",
            "user_id",
            f"user__{get_user_model().USERNAME_FIELD}",
            "family",
        )
        tokens = (
            AccessToken.objects.enabled().filter(token_checksum__in=self._checksums).values_list(*columns)
        )
        self.alias = tokens.db
        compiler = tokens.query.get_compiler(self.alias)
        self._sql, self._parameters = compiler.as_sql()
        selected = [column for column, *_ in compiler.select]
        self._converters = compiler.get_converters(selected)

    def run(self, checksums: Collection[str]) -> Iterator[Found]:
        """The tokens that were found, in any order.

        Args:
            checksums: At least one, and no more than the query was compiled for.
        """
        connection = connections[self.alias]
        first, *_ = checksums
        given = dict.fromkeys(self._checksums, first) | dict(zip(self._checksums, checksums, strict=False))
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [given.get(value, value) for value in self._parameters])
            rows = cursor.fetchall()
        for row in map(list, rows):
            for place, (converters, column) in self._converters.items():
                for convert in converters:
                    row[place] = convert(row[place], column, connection)
            yield Found(*row)


@cache
def _compiled(count: int) -> TokenQuery:
    return TokenQuery(count)


def look_up(checksums: Collection[str]) -> Iterator[Found]:
    """The tokens of these checksums, of active users and enabled clients. They may have expired."""
    return _compiled(1 << (len(checksums) - 1).bit_length()).run(checksums)
