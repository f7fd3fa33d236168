"""`manage.py activity`: when people last used which client, and how."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_app.exceptions import Unavailable
from mcp_app.management.tables import table
from mcp_app.monitoring import last_seen
from mcp_app.monitoring.last_seen import Use
from mcp_app.monitoring.sessions import connected, printable

_HEADINGS = ("LAST SEEN", "USER", "CLIENT", "REVISION", "TRANSPORT", "SOFTWARE")


class Command(BaseCommand):
    help = (
        "List when each user last used each client, the latest first, and how: also clients of 2026-07-28, "
        "which have no sessions. Times are accurate to a minute. No server has to run, but Redis must."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
        parser.add_argument("--user", metavar="NAME", help="only of this user")
        parser.add_argument("--client", metavar="ID", help="only of this OAuth client, by id or name")
        parser.add_argument(
            "--limit", type=int, default=1000, help="list at most this many (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be at least 1.")
        try:
            with connected() as redis:
                uses, is_complete = last_seen.everything(
                    redis, limit=options["limit"], user=options["user"], client=options["client"]
                )
        except Unavailable as error:
            raise CommandError(f"Redis cannot be reached: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps([use.to_json() for use in uses], indent=2))
        else:
            for line in table(_HEADINGS, [_row(use) for use in uses]):
                self.stdout.write(line)
        if not is_complete:
            self.stderr.write(f"There are more than {options['limit']}; this is a selection. See --limit.")


def _row(use: Use) -> tuple[str, ...]:
    at = datetime.fromtimestamp(use.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    names = (use.username, use.client, use.revision, use.transport, use.software)
    return (at, *map(printable, names))
