"""`manage.py sessions`: lists live sessions, as a table or as JSON, or ends some of them."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis import Redis

from mcp_app import control
from mcp_app.exceptions import Unavailable
from mcp_app.ids import short_id
from mcp_app.management.tables import table
from mcp_app.monitoring import sessions as overview

_HEADINGS = ("ID", "USER", "CLIENT", "REVISION", "AGE", "IDLE", "STREAMS", "SUBSCRIPTIONS", "CALLS")


class Command(BaseCommand):
    help = (
        "List the live MCP sessions, the newest first, or end some of them. Ids are shortened, as in the "
        "logs. AGE and IDLE are in seconds; IDLE and STREAMS are as of a few seconds ago; CALLS counts "
        "those that take long or have sent something. Clients of 2026-07-28 have no sessions: see "
        "`activity`. No server has to run, but Redis must."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
        parser.add_argument("--user", metavar="NAME", help="only the sessions of this user")
        parser.add_argument(
            "--client", metavar="ID", help="only the sessions of this OAuth client, by id or name"
        )
        parser.add_argument(
            "--limit", type=int, default=1000, help="list at most this many (default: %(default)s)"
        )
        parser.add_argument(
            "--end",
            nargs="+",
            action="extend",
            metavar="ID",
            help="end these sessions, in all processes, and list nothing; a unique prefix of an id is enough",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit must be at least 1.")
        if options["end"] and (options["user"] or options["client"]):
            raise CommandError("--end takes ids and cannot be combined with --user or --client.")
        try:
            with overview.connected() as redis:
                if options["end"]:
                    self._end(redis, options["end"])
                else:
                    self._list(redis, options)
        except Unavailable as error:
            raise CommandError(
                f"Redis cannot be reached: {error}\n"
                "Start a server (for development: python manage.py runserver), or set REDIS_URL to the Redis "
                "that the servers use."
            ) from error

    def _list(self, redis: Redis, options: dict[str, Any]) -> None:
        listing = overview.live_sessions(
            redis, limit=options["limit"], user=options["user"], client=options["client"]
        )
        if options["json"]:
            self.stdout.write(json.dumps([session.to_json() for session in listing.sessions], indent=2))
        else:
            for line in table(_HEADINGS, [_row(session) for session in listing.sessions]):
                self.stdout.write(line)
        if not listing.is_complete:
            self.stderr.write(
                f"There are more than {options['limit']} sessions; this is a selection. See --limit."
            )

    def _end(self, redis: Redis, beginnings: list[str]) -> None:
        """End the sessions, if each prefix matches exactly one."""
        session_ids = dict.fromkeys(self._the_one(redis, beginning) for beginning in beginnings)
        ended = control.end_sessions(session_ids, by="manage.py sessions")
        for session_id in filter(ended.__contains__, session_ids):
            self.stdout.write(f"{short_id(session_id)} has been ended.")
        if len(ended) < len(session_ids):
            raise CommandError("Redis could not be reached for the others, which may still exist.")

    @staticmethod
    def _the_one(redis: Redis, beginning: str) -> str:
        match overview.matching(redis, beginning):
            case [session_id]:
                return session_id
            case []:
                raise CommandError(f"No live session begins with {beginning!r}; nothing was ended.")
        raise CommandError(f"Several sessions begin with {beginning!r}; nothing was ended.")


def _row(session: overview.Session) -> tuple[str, ...]:
    idle = "?" if session.idle_seconds is None else str(session.idle_seconds)
    return (
        session.shown,
        overview.printable(session.user),
        overview.printable(session.client),
        session.revision,
        str(session.age_seconds),
        idle,
        str(session.streams),
        str(session.subscriptions),
        str(session.calls),
    )
