"""`manage.py sessions`: lists live sessions, as a table or as JSON, or ends some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from redis import Redis

from mcp_app import control
from mcp_app.exceptions import Unavailable
from mcp_app.ids import short_id
from mcp_app.management.listing import ListCommand
from mcp_app.monitoring import sessions as overview


class Command(ListCommand):
    help = (
        "List the live MCP sessions, the newest first, or end some of them. Ids are shortened, as in the "
        "logs. AGE and IDLE are in seconds; IDLE and STREAMS are as of a few seconds ago; CALLS counts "
        "those that take long or have sent something. Clients of 2026-07-28 have no sessions: see "
        "`activity`. No server has to run, but Redis must."
    )

    headings = ("ID", "USER", "CLIENT", "REVISION", "AGE", "IDLE", "STREAMS", "SUBSCRIPTIONS", "CALLS")

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--end",
            nargs="+",
            action="extend",
            metavar="ID",
            help="end these sessions, in all processes, and list nothing; a unique prefix of an id is enough",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = self.wanted(options)
        if options["end"] and (options["user"] or options["client"]):
            raise CommandError("--end takes ids and cannot be combined with --user or --client.")
        try:
            with overview.connected() as redis:
                if options["end"]:
                    self._end(redis, options["end"])
                else:
                    listing = overview.live_sessions(redis, **wanted)
                    self.show(listing.sessions, options, is_complete=listing.is_complete)
        except Unavailable as error:
            raise CommandError(
                f"Redis cannot be reached: {error}\n"
                "Start a server (for development: python manage.py runserver), or set REDIS_URL to the Redis "
                "that the servers use."
            ) from error

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

    def row(self, session: overview.Session) -> Sequence[str]:
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
