"""Commands that list what is in Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class ListCommand(BaseCommand):
    """A command that lists what users have or do with clients, as a table or as JSON.

    Attributes:
        headings: Those of the table.
    """

    headings: Sequence[str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
        parser.add_argument("--user", metavar="NAME", help="only of this user")
        parser.add_argument("--client", metavar="ID", help="only of this OAuth client, by id or name")
        parser.add_argument(
            "--limit", type=int, default=1000, help="list at most this many (default: %(default)s)"
        )

    def wanted(self, options: dict[str, Any]) -> dict[str, Any]:
        """What to list: `limit`, `user` and `client`."""
        if options["limit"] < 1:
            raise CommandError("--limit must be at least 1.")
        return {name: options[name] for name in ("limit", "user", "client")}

    def row(self, one: Any) -> Sequence[str]:
        """The row of the table for one item."""
        raise NotImplementedError

    def show(self, found: Sequence[Any], options: dict[str, Any], *, is_complete: bool) -> None:
        """Print what was found. As JSON, each item is what its `to_json` returns."""
        if options["json"]:
            self.stdout.write(json.dumps([one.to_json() for one in found], indent=2))
        else:
            lines = [self.headings, *map(self.row, found)]
            widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            for line in lines:
                cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                self.stdout.write("  ".join(cells).rstrip())
        if not is_complete:
            self.stderr.write(f"There are more than {options['limit']}; this is a selection. See --limit.")
