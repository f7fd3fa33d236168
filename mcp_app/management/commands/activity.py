"""`manage.py activity`: when people last used which client, and how."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from mcp_app.exceptions import Unavailable
from mcp_app.management.listing import ListCommand
from mcp_app.monitoring import last_seen
from mcp_app.monitoring.last_seen import Use
from mcp_app.monitoring.sessions import connected, printable


class Command(ListCommand):
    help = (
        "List when each user last used each client, the latest first, and how: also clients of 2026-07-28, "
        "which have no sessions. Times are accurate to a minute. No server has to run, but Redis must."
    )

    headings = ("LAST SEEN", "USER", "CLIENT", "REVISION", "TRANSPORT", "SOFTWARE")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = self.wanted(options)
        try:
            with connected() as redis:
                uses, is_complete = last_seen.everything(redis, **wanted)
        except Unavailable as error:
            raise CommandError(f"Redis cannot be reached: {error}") from error
        self.show(uses, options, is_complete=is_complete)

    def row(self, use: Use) -> Sequence[str]:
        at = datetime.fromtimestamp(use.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        names = (use.username, use.client, use.revision, use.transport, use.software)
        return (at, *map(printable, names))
